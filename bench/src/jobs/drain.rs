//! A full queue, drained by agents that speak the protocol: how fast, never two at once, in order.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use xtask::console;

use super::Stage;
use super::client::{Client, FILE};
use crate::command_line::Setting;
use crate::figures::{Figure, Target};

/// Jobs in the queue.
const JOBS: usize = 1_000;
/// Environments over which they are spread.
const ENVIRONMENTS: usize = 50;
/// Agents at the same time.
const AGENTS: usize = 8;
/// Fewest leases per second, on SQLite.
const LEASES_PER_S_MIN: f64 = 100.0;
/// Longest time to drain it.
const DRAIN_TIME_MAX: Duration = Duration::from_mins(5);

/// An agent had a job between these two moments at least.
#[derive(Debug, Clone, Copy)]
struct Held {
    job: i64,
    leased: Instant,
    finished: Instant,
}

/// Drains the queue and looks at every environment. An overlap or a wrong order is an error: then the
/// figure is worth nothing.
pub(super) fn measure(stage: &Stage, setting: &Setting) -> Result<Vec<Figure>> {
    let jobs = if setting.quick { JOBS / 5 } else { JOBS };
    let created = fill(&stage.front.url, jobs)?;
    let started = Instant::now();
    let held = drain(stage, jobs)?;
    let rate = jobs as f64 / started.elapsed().as_secs_f64();
    check(&held, &created)?;
    console::line(format_args!(
        "jobs: {}: {jobs} jobs in {ENVIRONMENTS} environments drained by {AGENTS} agents, \
         {rate:.0} leases/s, no overlap, every queue in order",
        stage.engine
    ));
    let name = format!(
        "leases, {} queued jobs, 50 environments, 8 agents, {}",
        if setting.quick { "200" } else { "1,000" },
        stage.engine
    );
    let figure = Figure::new(name, rate, "leases/s");
    Ok(vec![if stage.other.is_none() {
        figure.with(Target::AtLeast(LEASES_PER_S_MIN))
    } else {
        figure
    }])
}

/// Creates jobs one after the other, so that their order is known; answers with them by environment.
fn fill(url: &str, jobs: usize) -> Result<BTreeMap<String, Vec<i64>>> {
    let mut client = Client::open(url)?;
    let mut created: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for number in 0..jobs {
        let environment = (number % ENVIRONMENTS + 1).to_string();
        let job = client.create(FILE, Some(&environment))?;
        created.entry(environment).or_default().push(job);
    }
    Ok(created)
}

fn drain(stage: &Stage, jobs: usize) -> Result<BTreeMap<String, Vec<Held>>> {
    let held = Mutex::new(BTreeMap::<String, Vec<Held>>::new());
    let count = || {
        held.lock()
            .map_or(0, |held| held.values().map(Vec::len).sum())
    };
    let deadline = Instant::now() + DRAIN_TIME_MAX;
    let agent = |number: usize| -> Result<()> {
        // On two masters, every other agent goes to the other one.
        let url = if number.is_multiple_of(2) {
            stage.front.url.as_str()
        } else {
            stage.agents_url()
        };
        let name = format!("agent-{number}");
        let mut agent = Client::open(url)?;
        while count() < jobs {
            if Instant::now() > deadline {
                bail!("{} of {jobs} jobs after {DRAIN_TIME_MAX:?}", count());
            }
            let Some(lease) = agent.lease(&name, 1)? else {
                continue;
            };
            let leased = Instant::now();
            let environment = lease.environment.clone().context("no environment")?;
            let finished = Instant::now();
            agent.finish(&lease)?;
            let job = lease.job;
            let mut held = held.lock().map_err(|_| anyhow!("an agent panicked"))?;
            held.entry(environment).or_default().push(Held {
                job,
                leased,
                finished,
            });
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let agent = &agent;
        let threads: Vec<_> = (0..AGENTS)
            .map(|number| scope.spawn(move || agent(number)))
            .collect();
        for thread in threads {
            thread.join().map_err(|_| anyhow!("an agent panicked"))??;
        }
        anyhow::Ok(())
    })?;
    held.into_inner().map_err(|_| anyhow!("an agent panicked"))
}

fn check(held: &BTreeMap<String, Vec<Held>>, created: &BTreeMap<String, Vec<i64>>) -> Result<()> {
    for (environment, wanted) in created {
        let mut held = held.get(environment).cloned().unwrap_or_default();
        held.sort_by_key(|held| held.leased);
        for pair in held.windows(2) {
            if pair[0].finished > pair[1].leased {
                bail!(
                    "environment {environment}: jobs {} and {} at the same time",
                    pair[0].job,
                    pair[1].job
                );
            }
        }
        let order: Vec<_> = held.iter().map(|held| held.job).collect();
        if order != *wanted {
            bail!("environment {environment}: {wanted:?} came as {order:?}");
        }
    }
    Ok(())
}
