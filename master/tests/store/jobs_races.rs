//! Jobs that many want at the same moment, on one master and on two.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use master::jobs::{Jobs, JobsError};
use shared::job::{JobState, NewJob};
use shared::lease::{AttemptEnding, Lease};

use crate::engines::{Database, Engine};
use crate::jobs::{Queue, ended, job_in, request};

on_both_engines!(
    many_agents_drain_many_environments_in_order_and_without_overlap,
    one_job_is_handed_out_once,
    an_agent_is_either_lost_or_heard,
    a_job_is_either_cancelled_or_handed_out,
    a_job_is_not_lost_with_the_agent_that_hung_up,
    a_job_that_was_sent_to_somebody_who_does_not_look_goes_back,
    jobs_that_are_queued_at_once_come_in_the_order_of_their_ids,
);

/// Races: each may go either way.
const ROUNDS: u32 = 12;

const AGENTS: usize = 8;
const ENVIRONMENTS: i64 = 10;
const JOBS: i64 = 100;

/// Longer than any of these waits takes.
const LONG: Duration = Duration::from_mins(1);

/// Two masters where there can be two.
async fn masters(db: &Database) -> Vec<Queue> {
    match db.engine {
        Engine::Sqlite => vec![Queue::open(db).await],
        Engine::Postgres => vec![Queue::open(db).await, Queue::open(db).await],
    }
}

async fn close(masters: Vec<Queue>) {
    for master in masters {
        master.close().await;
    }
}

/// Who uses what, and what was used in which order.
#[derive(Default)]
struct Usage {
    used: HashMap<String, i64>,
    order: HashMap<String, Vec<(i64, i64)>>,
    done: i64,
}

async fn many_agents_drain_many_environments_in_order_and_without_overlap(db: &Database) {
    let masters = masters(db).await;
    for number in 0..JOBS {
        let environment = (number % ENVIRONMENTS + 1).to_string();
        masters[0].add_to(&environment).await;
    }
    let usage = Arc::new(Mutex::new(Usage::default()));
    let agents = (0..AGENTS).map(|number| {
        let jobs = masters[number % masters.len()].jobs.clone();
        tokio::spawn(drain(jobs, format!("agent-{number}"), Arc::clone(&usage)))
    });
    for agent in agents.collect::<Vec<_>>() {
        agent.await.unwrap();
    }
    for leases in usage.lock().unwrap().order.values_mut() {
        // Attempts are numbered in the order in which jobs were handed out.
        leases.sort_unstable();
        assert_eq!(leases.len() as i64, JOBS / ENVIRONMENTS);
        assert!(leases.is_sorted_by_key(|(_, job)| *job), "{leases:?}");
    }
    close(masters).await;
}

async fn drain(jobs: Jobs, agent: String, usage: Arc<Mutex<Usage>>) {
    loop {
        let wait = Duration::from_millis(300);
        let leased = jobs.lease_or_wait(&request(&agent), None, wait).await;
        let Some(lease) = leased.unwrap() else {
            if usage.lock().unwrap().done == JOBS {
                return;
            }
            continue;
        };
        let environment = lease.environment.clone().unwrap();
        {
            let mut usage = usage.lock().unwrap();
            let other = usage.used.insert(environment.clone(), lease.job);
            assert_eq!(other, None, "{environment} is used by two");
            let order = usage.order.entry(environment.clone()).or_default();
            order.push((lease.attempt, lease.job));
        }
        jobs.heartbeat(lease.job, lease.attempt).await.unwrap();
        {
            let mut usage = usage.lock().unwrap();
            usage.used.remove(&environment);
            usage.done += 1;
        }
        let finish = ended(AttemptEnding::Passed);
        jobs.finish(lease.job, lease.attempt, finish).await.unwrap();
    }
}

async fn one_job_is_handed_out_once(db: &Database) {
    let masters = masters(db).await;
    for round in 0..ROUNDS {
        let environment = (round % 2 == 0).then(|| "7".to_owned());
        let new = NewJob {
            environment,
            ..job_in("7")
        };
        let id = masters[0].add(new).await.id;
        let asks = (0..6).map(|number| {
            let jobs = masters[number % masters.len()].jobs.clone();
            tokio::spawn(async move { jobs.lease(&request("agent-a"), None).await.unwrap() })
        });
        let mut leases: Vec<Lease> = Vec::new();
        for ask in asks.collect::<Vec<_>>() {
            leases.extend(ask.await.unwrap());
        }
        assert_eq!(leases.len(), 1, "{leases:?}");
        assert_eq!(leases[0].job, id);
        masters[0].finish(&leases[0], AttemptEnding::Passed).await;
    }
    close(masters).await;
}

async fn an_agent_is_either_lost_or_heard(db: &Database) {
    let masters = masters(db).await;
    let last = masters.last().unwrap();
    for round in 0..ROUNDS {
        let id = masters[0].add_to("7").await;
        let lease = masters[0].lease("agent-a").await;
        let silent = last.jobs.going_on().await.unwrap().remove(0);
        let finish = ended(AttemptEnding::Passed);
        let (heartbeat, expired, finished) = tokio::join!(
            masters[0].jobs.heartbeat(id, lease.attempt),
            last.jobs.expire(&silent),
            async {
                if round % 2 == 0 {
                    tokio::task::yield_now().await;
                }
                last.jobs.finish(id, lease.attempt, finish).await
            },
        );
        let job = masters[0].get(id).await;
        if expired.unwrap() {
            assert!(
                matches!(finished, Err(JobsError::LeaseLost)),
                "{finished:?}"
            );
            assert!(
                matches!(heartbeat, Err(JobsError::LeaseLost)),
                "{heartbeat:?}"
            );
            assert_eq!(job.state, JobState::Queued);
            let lease = masters[0].lease("agent-b").await;
            assert_eq!(lease.job, id);
            masters[0].finish(&lease, AttemptEnding::Passed).await;
        } else {
            finished.unwrap();
            assert_eq!(job.state, JobState::Passed);
        }
    }
    close(masters).await;
}

async fn a_job_is_either_cancelled_or_handed_out(db: &Database) {
    let masters = masters(db).await;
    let last = masters.last().unwrap();
    for _ in 0..ROUNDS {
        let id = masters[0].add_to("7").await;
        let asks = request("agent-a");
        let (leased, cancelled) = tokio::join!(
            masters[0].jobs.lease(&asks, None),
            last.jobs.cancel(id, "ann"),
        );
        let cancelled = cancelled.unwrap();
        let Some(lease) = leased.unwrap() else {
            assert_eq!(cancelled.state, JobState::Cancelled);
            continue;
        };
        assert_eq!(cancelled.state, JobState::Running);
        let told = last.jobs.heartbeat(id, lease.attempt).await.unwrap();
        assert!(told.cancel);
        masters[0].finish(&lease, AttemptEnding::Cancelled).await;
    }
    close(masters).await;
}

async fn a_job_is_not_lost_with_the_agent_that_hung_up(db: &Database) {
    let queue = Queue::open(db).await;
    for round in 0..ROUNDS {
        let jobs = queue.jobs.clone();
        let waiting = tokio::spawn(async move {
            let leased = jobs.lease_or_wait(&request("gone"), None, LONG).await;
            leased.unwrap().unwrap()
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        let id = queue.add_to("7").await;
        tokio::time::sleep(Duration::from_micros(u64::from(round) * 700)).await;
        waiting.abort();
        let lease = if let Ok(lease) = waiting.await {
            lease
        } else {
            // It never answered, so the job is there for another one.
            let next = request("agent-b");
            let leased = queue.jobs.lease_or_wait(&next, None, LONG).await;
            leased.unwrap().unwrap()
        };
        assert_eq!(lease.job, id);
        queue.finish(&lease, AttemptEnding::Passed).await;
    }
    queue.close().await;
}

async fn a_job_that_was_sent_to_somebody_who_does_not_look_goes_back(db: &Database) {
    let queue = Queue::open(db).await;
    let id = queue.add_to("7").await;
    let gone = request("gone");
    let mut waiting = Box::pin(queue.jobs.lease_or_wait(&gone, None, LONG));
    // Looked at now and then only, so that the job is on its way when nobody looks any more.
    let mut looks = 0;
    while queue.get(id).await.state == JobState::Queued {
        assert!(looks < 600, "nobody got the job");
        looks += 1;
        assert!(waiting.as_mut().now_or_never().is_none(), "it was not lost");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    drop(waiting);
    let next = request("agent-b");
    let leased = queue.jobs.lease_or_wait(&next, None, LONG).await;
    assert_eq!(leased.unwrap().unwrap().job, id);
    queue.close().await;
}

async fn jobs_that_are_queued_at_once_come_in_the_order_of_their_ids(db: &Database) {
    let masters = masters(db).await;
    let mut queued = Vec::new();
    for number in 0..20 {
        let jobs = masters[number % masters.len()].jobs.clone();
        queued.push(tokio::spawn(async move {
            let kind = shared::job::JobKind::Job;
            jobs.create(job_in("7"), kind, None).await.unwrap().id
        }));
    }
    // Whoever is told of a job finds none before it later.
    let mut seen = Vec::new();
    while seen.len() < queued.len() {
        let asks = request("agent-a");
        let leased = masters[0].jobs.lease_or_wait(&asks, None, LONG).await;
        let lease = leased.unwrap().unwrap();
        seen.push(lease.job);
        masters[0].finish(&lease, AttemptEnding::Passed).await;
    }
    assert!(seen.is_sorted(), "{seen:?}");
    for one in queued {
        assert!(seen.contains(&one.await.unwrap()));
    }
    close(masters).await;
}
