//! Durable ingest over HTTP against bare row inserts, interleaved.

use anyhow::{Result, bail};
use chrono::{DateTime, TimeDelta, Utc};
use xtask::console;
use xtask::http;
use xtask::master::Master;
use xtask::places::{self, Profile};

use crate::bodies::{self, Case};
use crate::command_line::Setting;
use crate::figures::{Figure, Target};
use crate::load::{self, Prepared};
use crate::process_cost;
use crate::statistics::median;
use crate::yardstick::Rows;

/// Connections that send at the same time.
const CONNECTIONS: usize = 8;
/// Runs that differ; the others repeat them under other ids.
const DISTINCT_RUNS: usize = 16;
/// How hard zstd tries, as the worker does.
const ZSTD_LEVEL: i32 = 1;
/// When the first run of the benchmark began.
const FIRST_RUN_S: i64 = 1_795_000_000;

/// What one run size measured, in cases a second.
#[derive(Debug, Default)]
struct Rates {
    rows: Vec<f64>,
    plain: Vec<f64>,
    zstd: Vec<f64>,
    server_cpu_us_per_case: Vec<f64>,
}

/// Runs of 1,000 and of 10,000 cases.
pub(crate) fn run(setting: &Setting) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for size in [1_000, 10_000] {
        let runs = if setting.quick { 200_000 } else { 1_000_000 } / size;
        let rounds = if setting.quick { 2 } else { 5 };
        let rates = measure(setting, size, runs, rounds)?;
        let rows = median(&rates.rows);
        let plain = median(&rates.plain);
        let zstd = median(&rates.zstd);
        let name = |what: &str| format!("{what}, runs of {size} cases");
        figures.push(Figure::new(
            name("bare SQLite row inserts"),
            rows,
            "cases/s",
        ));
        figures.push(Figure::new(name("HTTP ingest"), plain, "cases/s"));
        figures.push(Figure::new(
            name("HTTP ingest, zstd bodies"),
            zstd,
            "cases/s",
        ));
        figures.push(Figure::new(
            name("CPU of the master"),
            median(&rates.server_cpu_us_per_case),
            "µs/case",
        ));
        let ratio = Figure::new(name("HTTP ingest over bare row inserts"), plain / rows, "×");
        figures.push(if size == 10_000 {
            ratio.with(Target::AtLeast(1.0))
        } else {
            ratio
        });
        let ratio = zstd / rows;
        figures.push(Figure::new(name("the same, zstd bodies"), ratio, "×"));
    }
    Ok(figures)
}

fn measure(setting: &Setting, size: usize, runs: usize, rounds: usize) -> Result<Rates> {
    let nodeids = bodies::nodeids();
    let begin = DateTime::<Utc>::from_timestamp(FIRST_RUN_S, 0).unwrap_or_default();
    let distinct: Vec<Vec<Case>> = (0..DISTINCT_RUNS)
        .map(|seed| {
            let started_at = begin + TimeDelta::hours(seed as i64);
            bodies::cases(size, seed as u64, started_at, 0.0)
        })
        .collect();
    let raw: Vec<_> = distinct
        .iter()
        .enumerate()
        .map(|(seed, cases)| bodies::body(cases, &nodeids, seed as u64))
        .collect();
    let mut rates = Rates::default();
    for round in 0..rounds {
        let cases: Vec<_> = distinct.iter().cycle().take(runs).cloned().collect();
        let mut rows = Rows::create(&setting.folder.join(format!("rows-{size}-{round}.db")))?;
        rows.insert(0, &cases[..1], &nodeids)?;
        let time = rows.insert(1, &cases, &nodeids)?;
        if rows.count()? != ((runs + 1) * size) as u64 {
            bail!("the yardstick lost rows");
        }
        rates.rows.push((runs * size) as f64 / time.as_secs_f64());
        drop(cases);
        for zstd in [false, true] {
            let name = format!("master-{size}-{round}-{zstd}");
            let (rate, cpu) = post_round(setting, &name, &raw, runs, size, zstd)?;
            if zstd {
                rates.zstd.push(rate);
            } else {
                rates.plain.push(rate);
                rates.server_cpu_us_per_case.push(cpu);
            }
        }
        console::line(format_args!(
            "ingest, runs of {size}, round {}: rows {:.0}, HTTP {:.0}, zstd {:.0} cases/s",
            round + 1,
            rates.rows[round],
            rates.plain[round],
            rates.zstd[round],
        ));
    }
    Ok(rates)
}

/// Cases a second, and microseconds of the master's CPU a case.
fn post_round(
    setting: &Setting,
    name: &str,
    raw: &[Vec<u8>],
    runs: usize,
    size: usize,
    zstd: bool,
) -> Result<(f64, f64)> {
    let database = setting.folder.join(format!("{name}.db"));
    let master = Master::start(
        &places::master(Profile::Release),
        &format!("sqlite://{}", database.display()),
        &setting.folder.join(format!("{name}.log")),
    )?;
    let mut prepared = Vec::with_capacity(runs);
    for (number, body) in (1..).zip(raw.iter().cycle().take(runs)) {
        let bytes = bodies::with_run_id(body, number);
        prepared.push(if zstd {
            Prepared {
                bytes: zstd::bulk::compress(&bytes, ZSTD_LEVEL)?,
                encoding: Some("zstd"),
            }
        } else {
            Prepared {
                bytes,
                encoding: None,
            }
        });
    }
    let warm_up = Prepared {
        bytes: bodies::with_run_id(&raw[0], 0),
        encoding: None,
    };
    load::post_all(&master.url, &[warm_up], 1)?;
    let cpu_before = process_cost::cpu_s(master.id())?;
    let time = load::post_all(&master.url, &prepared, CONNECTIONS)?;
    let cpu = process_cost::cpu_s(master.id())? - cpu_before;
    let last = http::get_json(
        &master.url,
        &format!("/results/{}", bodies::run_id(runs as u64)),
    )?;
    if last["total"].as_u64() != Some(size as u64) {
        bail!("the last run was not stored whole: {last}");
    }
    master.end()?;
    std::fs::remove_file(&database)?;
    let cases = (runs * size) as f64;
    Ok((cases / time.as_secs_f64(), cpu * 1e6 / cases))
}
