//! How fast and how small: `cargo run --release -p master --example ingest -- [runs] [cases] [folder or
//! postgres url]` saves runs of one suite with a concurrency of 8 and prints what that cost.

use std::error::Error;
use std::io::Write;
use std::time::Instant;

use chrono::{DateTime, Duration, Utc};
use master::ingest::Ingest;
use master::store::Store;
use shared::case::NewCase;
use shared::outcome::Outcome;
use shared::run::NewRun;

/// Runs that are inside at a time.
const CONCURRENCY: usize = 8;

/// Small, fast, repeatable noise.
struct Noise(u64);

impl Noise {
    /// From 0 to 1, evenly.
    fn share(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A duration around `usual`, with the long tail of measured ones.
    fn around(&mut self, usual: f64) -> f64 {
        let bell: f64 = (0..6).map(|_| self.share()).sum::<f64>() - 3.0;
        usual * (0.35 * bell).exp()
    }
}

fn suite(cases: usize, seed: u64) -> Vec<NewCase> {
    let mut noise = Noise(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut at = DateTime::<Utc>::UNIX_EPOCH + Duration::days(20_000);
    let case = |number: usize| {
        let phases = [0.000_12, 0.000_09, 0.000_10].map(|usual| noise.around(usual));
        let started_at = at;
        let gap = noise.around(0.000_15);
        at += Duration::nanoseconds(((phases.iter().sum::<f64>() + gap) * 1e9) as i64);
        let file = format!("tests/unit/part_{}/test_{}.py", number / 1_000, number / 40);
        let bad = noise.share() < 0.000_5;
        NewCase {
            setup: Some(phases[0]),
            call: Some(phases[1]),
            teardown: Some(phases[2]),
            duration: Some(phases.iter().sum()),
            started_at: Some(started_at),
            line: Some((number % 40 * 9 + 5) as u32),
            message: bad.then(|| "AssertionError: assert 1 == 2".to_owned()),
            ..NewCase::new(
                format!("{file}::TestThing::test_does_what_it_says[{number}]"),
                if bad {
                    Outcome::Failed
                } else {
                    Outcome::Passed
                },
            )
        }
    };
    let mut case = case;
    (0..cases)
        .map(|number| {
            let mut made = case(number);
            made.file = made.nodeid.split_once("::").map(|parts| parts.0.to_owned());
            made
        })
        .collect()
}

fn run(number: usize, cases: usize) -> NewRun {
    NewRun {
        run_id: format!("run-{number}"),
        worker_id: format!("worker-{}", number % 10),
        project: "bench".to_owned(),
        branch: "main".to_owned(),
        finished: true,
        python: "3.12.1".to_owned(),
        pytest: "9.0.0".to_owned(),
        command: "pytest -q tests/unit".to_owned(),
        cases: Some(suite(cases, number as u64)),
        ..NewRun::default()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let runs: usize = arguments.next().map_or(Ok(200), |text| text.parse())?;
    let cases: usize = arguments.next().map_or(Ok(10_000), |text| text.parse())?;
    let place = arguments
        .next()
        .unwrap_or_else(|| "target/example-ingest".to_owned());
    let file = format!("{place}/results-{}.db", std::process::id());
    let on_postgres = place.starts_with("postgres");
    let url = if on_postgres {
        place
    } else {
        format!("sqlite://{file}")
    };
    let store = Store::open(&url).await?;
    let (ingest, task) = Ingest::start(store.clone());

    let mut saving = std::time::Duration::ZERO;
    let mut number = 0;
    while number < runs {
        // Made before the clock runs: what is measured is saving.
        let batch: Vec<NewRun> = (number..runs.min(number + 40))
            .map(|n| run(n, cases))
            .collect();
        number += batch.len();
        let batch = std::sync::Arc::new(std::sync::Mutex::new(batch));
        let started = Instant::now();
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..CONCURRENCY {
            let (ingest, batch) = (ingest.clone(), std::sync::Arc::clone(&batch));
            clients.spawn(async move {
                loop {
                    let next = batch.lock().ok().and_then(|mut batch| batch.pop());
                    let Some(next) = next else {
                        return Ok::<(), master::ingest::IngestError>(());
                    };
                    ingest.save(next, Utc::now()).await?;
                }
            });
        }
        for client in clients.join_all().await {
            client?;
        }
        saving += started.elapsed();
    }
    task.finish().await;
    store.close().await;
    let total = (runs * cases) as f64;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{runs} runs of {cases} cases: {:.0} cases/s",
        total / saving.as_secs_f64()
    )?;
    if !on_postgres {
        let bytes = std::fs::metadata(&file)?.len() as f64;
        writeln!(out, "{:.0} bytes, {:.2} a case", bytes, bytes / total)?;
        std::fs::remove_file(&file)?;
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM"));
    writeln!(
        out,
        "{} (the client's bodies included)",
        peak.unwrap_or("VmHWM unknown")
    )?;
    Ok(())
}
