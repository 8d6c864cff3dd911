//! Latency of the questions as the history grows, size on disk, memory, time to start.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, bail};
use chrono::{DateTime, TimeDelta, Utc};
use xtask::console;
use xtask::http::{self, Connection};
use xtask::master::Master;
use xtask::places::{self, Profile};
use xtask::random::Random;

use crate::bodies::{self, PROJECT};
use crate::command_line::Setting;
use crate::figures::{Figure, Target};
use crate::load::{self, Prepared};
use crate::process_cost;
use crate::statistics::{median, percentile};

/// Cases of a run.
const SIZE: usize = 10_000;
/// Share of cases that fail, with texts.
const FAILING_PERCENT: f64 = 2.0;
/// Times each question is asked.
const QUESTIONS: usize = 1_000;
/// Runs sent at once while filling.
const BATCH: u64 = 50;
/// When the first run began.
const FIRST_RUN_S: i64 = 1_795_000_000;
/// Questions with a target of their own: the counters.
const COUNTERS: [&str; 3] = ["/trend", "/failures/stats", "/workers"];
/// Longest 99th percentile of a counter, milliseconds.
const COUNTER_P99_MAX_MS: f64 = 5.0;
/// Most that a counter may slow down from the smallest history to the largest.
const COUNTER_GROWTH_MAX: f64 = 1.5;

/// Percentiles of one question, milliseconds.
#[derive(Debug, Clone, Copy)]
struct Latency {
    median: f64,
    p99: f64,
}

/// A master on a database in the folder.
struct Store {
    file: PathBuf,
    master: Master,
}

impl Store {
    fn open(setting: &Setting, name: &str) -> Result<Self> {
        let file = setting.folder.join(format!("{name}.db"));
        let master = Master::start(
            &places::master(Profile::Release),
            &format!("sqlite://{}", file.display()),
            &setting.folder.join(format!("{name}.log")),
        )?;
        Ok(Self { file, master })
    }
}

/// All of it.
pub(crate) fn run(setting: &Setting) -> Result<Vec<Figure>> {
    let mut figures = vec![start_time(setting)?, size_of_passing(setting)?];
    let levels: &[u64] = if setting.quick {
        &[100_000, 1_000_000]
    } else {
        &[100_000, 1_000_000, 10_000_000]
    };
    let store = Store::open(setting, "history")?;
    let mut stored_runs = 0;
    let mut by_level = Vec::new();
    for &level in levels {
        let wanted = level / SIZE as u64;
        fill(&store.master.url, stored_runs..wanted, FAILING_PERCENT)?;
        stored_runs = wanted;
        let latencies = ask(&store.master.url, stored_runs)?;
        for (question, latency) in &latencies {
            figures.push(figure(question, *latency, level));
        }
        by_level.push(latencies);
    }
    figures.extend(growth(&by_level));
    let (now, highest) = process_cost::memory_mib(store.master.id())?;
    let cases = levels.last().copied().unwrap_or(1);
    let millions = cases / 1_000_000;
    let memory = format!("memory of the master after {millions} million cases");
    figures.push(Figure::new(memory.clone(), now, "MiB").with(Target::AtMost(150.0)));
    figures.push(Figure::new(format!("{memory}, highest"), highest, "MiB"));
    store.master.end()?;
    let bytes = size_on_disk(&store.file)? as f64 / cases as f64;
    figures.push(Figure::new(
        format!("stored size, {FAILING_PERCENT} % failing with texts"),
        bytes,
        "B/case",
    ));
    Ok(figures)
}

/// From the start of the process to its first answer, on an empty database.
fn start_time(setting: &Setting) -> Result<Figure> {
    let rounds = if setting.quick { 3 } else { 9 };
    let mut times = Vec::new();
    for round in 0..rounds {
        let started = Instant::now();
        let store = Store::open(setting, &format!("empty-{round}"))?;
        http::get_json(&store.master.url, "/results")?;
        times.push(started.elapsed().as_secs_f64());
        store.master.end()?;
    }
    let figure = Figure::new("start to first answer, empty database", median(&times), "s");
    Ok(figure.with(Target::AtMost(0.5)))
}

fn size_of_passing(setting: &Setting) -> Result<Figure> {
    // Fewer, and the names of the tests would weigh more than their results.
    let runs = 100;
    let store = Store::open(setting, "passing")?;
    fill(&store.master.url, 0..runs, 0.0)?;
    store.master.end()?;
    let bytes = size_on_disk(&store.file)? as f64 / (runs * SIZE as u64) as f64;
    Ok(Figure::new("stored size, passing cases", bytes, "B/case").with(Target::AtMost(5.0)))
}

/// Sends the runs with these numbers, a batch at a time, two connections.
fn fill(url: &str, numbers: std::ops::Range<u64>, failing_percent: f64) -> Result<()> {
    let nodeids = bodies::nodeids();
    let begin = DateTime::<Utc>::from_timestamp(FIRST_RUN_S, 0).unwrap_or_default();
    let started = Instant::now();
    let total = numbers.end - numbers.start;
    let mut first = numbers.start;
    while first < numbers.end {
        let last = (first + BATCH).min(numbers.end);
        let batch: Vec<_> = (first..last)
            .map(|number| {
                let started_at = begin + TimeDelta::minutes(number as i64);
                let cases = bodies::cases(SIZE, number, started_at, failing_percent);
                let body = bodies::body(&cases, &nodeids, number);
                Prepared {
                    bytes: bodies::with_run_id(&body, number),
                    encoding: None,
                }
            })
            .collect();
        load::post_all(url, &batch, 2)?;
        first = last;
    }
    console::line(format_args!(
        "queries: stored {total} runs of {SIZE} cases in {}",
        console::seconds(started.elapsed())
    ));
    Ok(())
}

/// Every question many times, on one connection.
fn ask(url: &str, runs: u64) -> Result<Vec<(&'static str, Latency)>> {
    let mut random = Random::new(runs);
    let mut any_run = || bodies::run_id(random.below(runs));
    let mut latencies = Vec::new();
    let questions: [(&'static str, &mut dyn FnMut() -> String); 6] = [
        ("/trend", &mut || format!("/trend?project={PROJECT}")),
        ("/failures/stats", &mut || {
            format!("/failures/stats?project={PROJECT}")
        }),
        ("/workers", &mut || "/workers".to_owned()),
        ("/results", &mut || format!("/results?project={PROJECT}")),
        ("/results/{id}", &mut || String::new()),
        ("/results/{id}/cases", &mut || String::new()),
    ];
    let mut connection = Connection::open(url)?;
    for (question, path) in questions {
        let mut times = Vec::with_capacity(QUESTIONS);
        for _ in 0..QUESTIONS {
            let path = match question {
                "/results/{id}" => format!("/results/{}", any_run()),
                "/results/{id}/cases" => format!("/results/{}/cases", any_run()),
                _ => path(),
            };
            let asked = Instant::now();
            let answer = connection.get(&path)?;
            times.push(asked.elapsed().as_secs_f64() * 1e3);
            if answer.status != 200 {
                bail!("GET {path} answered {}", answer.status);
            }
        }
        let latency = Latency {
            median: median(&times),
            p99: percentile(&times, 0.99),
        };
        console::line(format_args!(
            "queries: {question:<21} p50 {:>7.3} ms  p99 {:>7.3} ms",
            latency.median, latency.p99
        ));
        latencies.push((question, latency));
    }
    Ok(latencies)
}

fn figure(question: &str, latency: Latency, level: u64) -> Figure {
    let name = format!("GET {question}, {} cases, p99", in_words(level));
    let figure = Figure::new(name, latency.p99, "ms").note(format!("p50 {:.3} ms", latency.median));
    if COUNTERS.contains(&question) {
        figure.with(Target::AtMost(COUNTER_P99_MAX_MS))
    } else {
        figure
    }
}

/// How much slower the counters answer over the largest history than over the smallest.
fn growth(by_level: &[Vec<(&'static str, Latency)>]) -> Vec<Figure> {
    let (Some(first), Some(last)) = (by_level.first(), by_level.last()) else {
        return Vec::new();
    };
    first
        .iter()
        .zip(last)
        .filter(|((question, _), _)| COUNTERS.contains(question))
        .map(|((question, small), (_, large))| {
            let name = format!("GET {question}, p99 of the largest over the smallest");
            let ratios = format!("p50 {:.2} ×", large.median / small.median);
            Figure::new(name, large.p99 / small.p99, "×")
                .note(ratios)
                .with(Target::AtMost(COUNTER_GROWTH_MAX))
        })
        .collect()
}

/// Bytes of the database after the master closed it, with what SQLite may have left beside.
fn size_on_disk(file: &Path) -> Result<u64> {
    let mut bytes = std::fs::metadata(file)?.len();
    let mut journal = file.as_os_str().to_owned();
    journal.push("-wal");
    bytes += std::fs::metadata(journal).map_or(0, |journal| journal.len());
    Ok(bytes)
}

fn in_words(cases: u64) -> String {
    match cases {
        1_000_000.. => format!("{} million", cases / 1_000_000),
        _ => format!("{} thousand", cases / 1_000),
    }
}
