//! From `POST /jobs` to the first step of an agent that idles.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use xtask::console;
use xtask::random::Random;

use super::Stage;
use super::client::{Client, FILE};
use crate::command_line::Setting;
use crate::figures::{Figure, Target};
use crate::statistics::{median, percentile};

/// Longest time at the 95th percentile, milliseconds.
pub(super) const P95_MAX_MS: f64 = 100.0;
/// Longest idle time of the agent before a job comes, in milliseconds.
const IDLE_MS_MAX: u64 = 40;
/// Longest wait for an agent that should have begun at once.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// An agent that only speaks the protocol waits for each of many jobs; its first step counts when the
/// master has acknowledged it.
pub(super) fn measure(stage: &Stage, setting: &Setting) -> Result<Vec<Figure>> {
    let rounds = if setting.quick { 30 } else { 300 };
    let mut times = Vec::new();
    std::thread::scope(|scope| {
        let (said, heard) = mpsc::sync_channel(1);
        let agent = scope.spawn(move || idle(stage.agents_url(), rounds, &said));
        let mut client = Client::open(&stage.front.url)?;
        let mut random = Random::new(7);
        for _ in 0..rounds {
            std::thread::sleep(Duration::from_millis(random.below(IDLE_MS_MAX)));
            let created = Instant::now();
            client.create(FILE, None)?;
            let begun = heard.recv_timeout(WAIT_MAX);
            let begun: Instant = begun.context("no agent took the job")?;
            times.push(begun.duration_since(created).as_secs_f64() * 1e3);
        }
        agent
            .join()
            .map_err(|_| anyhow::anyhow!("the agent panicked"))?
    })?;
    let p95 = percentile(&times, 0.95);
    let note = format!("p50 {:.1} ms", median(&times));
    console::line(format_args!(
        "jobs: {}: created to first step p95 {p95:.1} ms, {note}",
        stage.engine
    ));
    let name = format!("POST /jobs to the first step, p95, {}", stage.engine);
    let figure = Figure::new(name, p95, "ms").note(note);
    Ok(vec![figure.with(Target::AtMost(P95_MAX_MS))])
}

fn idle(url: &str, rounds: usize, said: &mpsc::SyncSender<Instant>) -> Result<()> {
    let mut agent = Client::open(url)?;
    let mut done = 0;
    while done < rounds {
        let Some(lease) = agent.lease("idle", 20)? else {
            continue;
        };
        agent.begin(&lease)?;
        // Nobody listens any more when the other side gave up.
        said.send(Instant::now()).context("nobody listens")?;
        agent.finish(&lease)?;
        done += 1;
    }
    Ok(())
}
