//! Ends leases of agents that went silent, and waits that are too long.
//!
//! Silence is measured by a clock that is never set, see [`super::sightings`]. The agent has ended everything
//! that belongs to a job before its lease is over here: its clock began earlier and is shorter. Whichever
//! master ends a lease first does so; the pulse is compared once more inside of the transaction.

use std::time::Duration;

use chrono::Utc;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use super::sightings::{Living, Seen, Sightings};
use crate::jobs::{GoingOn, Jobs, JobsError, OVERDUE_GRACE};

/// Longest time between two looks.
const LOOK_EVERY_MAX: Duration = Duration::from_secs(2);

/// Looks in one lease, so that a short one is kept to as well.
const LOOKS_PER_LEASE: u32 = 10;

/// How often what nobody needs any more is deleted.
const TIDY_EVERY: Duration = Duration::from_mins(1);

/// The task that looks.
#[derive(Debug)]
pub(super) struct LeaseTask {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl LeaseTask {
    /// Starts to look.
    pub(super) fn start(jobs: Jobs, lease: Duration) -> Self {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            tokio::select! {
                _ = stopped => {}
                () = look_again_and_again(&jobs, lease) => {}
            }
        });
        Self { stop, task }
    }

    /// Ends it. A transaction that it is in the middle of is rolled back.
    pub(super) async fn finish(self) {
        let _ = self.stop.send(());
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the search for lost agents did not end well");
        }
    }
}

async fn look_again_and_again(jobs: &Jobs, lease: Duration) {
    let every = (lease / LOOKS_PER_LEASE).clamp(Duration::from_millis(10), LOOK_EVERY_MAX);
    let mut looks = tokio::time::interval(every);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sightings = Sightings::new(lease / 2);
    let mut tidied: Option<Instant> = None;
    loop {
        looks.tick().await;
        if let Err(error) = end_silent(jobs, &mut sightings).await {
            tracing::warn!(%error, "lost agents cannot be looked for; every agent gets more time");
            // While the database is away, agents cannot be heard.
            sightings.clear();
        }
        match jobs.give_up_waiting(Utc::now()).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "jobs waited too long"),
            Err(error) => tracing::warn!(%error, "jobs that waited too long cannot be ended"),
        }
        if tidied.is_none_or(|tidied| tidied.elapsed() >= TIDY_EVERY) {
            tidied = Some(Instant::now());
            if let Err(error) = jobs.tidy(Utc::now()).await {
                tracing::warn!(%error, "what is no longer needed of jobs cannot be deleted");
            }
        }
    }
}

async fn end_silent(jobs: &Jobs, sightings: &mut Sightings<i64>) -> Result<(), JobsError> {
    let going_on = jobs.going_on().await?;
    for seen in sightings.look(going_on, Instant::now()) {
        match end_if_silent(jobs, &seen).await {
            Err(JobsError::Store(error)) if error.is_transient() => return Err(error.into()),
            // One job that cannot be ended must not keep the others from it.
            Err(error) => tracing::error!(job = seen.living.job, %error, "cannot be ended"),
            Ok(()) => {}
        }
    }
    Ok(())
}

async fn end_if_silent(jobs: &Jobs, seen: &Seen<GoingOn>) -> Result<(), JobsError> {
    let attempt = &seen.living;
    if seen.silent >= attempt.lease {
        if jobs.expire(attempt).await? {
            let (job, agent) = (attempt.job, &attempt.agent);
            tracing::warn!(job, agent, "the lease is over: its agent is silent");
        }
    } else if !attempt.is_overdue && seen.known > attempt.timeout + OVERDUE_GRACE {
        jobs.give_up_on(attempt).await?;
        let (job, agent) = (attempt.job, &attempt.agent);
        tracing::warn!(
            job,
            agent,
            "the agent does not end a job that takes too long"
        );
    }
    Ok(())
}

impl Living for GoingOn {
    type Key = i64;

    fn key(&self) -> i64 {
        self.attempt
    }

    fn pulse(&self) -> i64 {
        self.pulse
    }
}

#[cfg(test)]
mod tests {
    use shared::job::{GitSource, Job, JobKind, JobState, NewJob, Source};
    use shared::lease::{Lease, LeaseRequest};

    use super::*;
    use crate::store::Store;

    const LEASE: Duration = Duration::from_secs(1);

    fn new_job() -> NewJob {
        let body = r#"{"username": "Steve", "source": {"type": "git", "url": "x"}}"#;
        let source = Source::Git(GitSource {
            url: "https://git.example.org/shop.git".to_owned(),
            ..GitSource::default()
        });
        NewJob {
            source,
            attempts_max: 1,
            environment: Some("7".to_owned()),
            ..serde_json::from_str(body).unwrap()
        }
    }

    async fn begun(jobs: &Jobs) -> Lease {
        jobs.create(new_job(), JobKind::Job, None).await.unwrap();
        let request = LeaseRequest {
            agent: "agent-a".to_owned(),
            slots: 1,
            ..LeaseRequest::default()
        };
        jobs.lease(&request, None).await.unwrap().unwrap()
    }

    async fn wait_for_end(jobs: &Jobs, id: i64) -> Job {
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            let job = jobs.get(&id.to_string(), None).await.unwrap();
            if job.state.is_over() {
                return job;
            }
            assert!(Instant::now() < deadline, "{job:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    #[tokio::test]
    async fn a_silent_agent_loses_its_job_and_one_that_is_heard_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("test.db").display());
        let store = Store::open(&url).await.unwrap();
        let jobs = Jobs::new(store.clone(), LEASE);
        let lease = begun(&jobs).await;
        // Nobody looks yet, however long it takes.
        tokio::time::sleep(2 * LEASE).await;
        jobs.heartbeat(lease.job, lease.attempt).await.unwrap();
        let task = LeaseTask::start(jobs.clone(), LEASE);
        let heard_until = Instant::now() + 3 * LEASE;
        while Instant::now() < heard_until {
            jobs.heartbeat(lease.job, lease.attempt).await.unwrap();
            tokio::time::sleep(LEASE / 20).await;
        }
        let silent_since = Instant::now();
        let job = wait_for_end(&jobs, lease.job).await;
        assert!(silent_since.elapsed() >= LEASE / 2, "{job:?}");
        assert_eq!(job.state, JobState::Error);
        assert_eq!(job.attempts[0].ending.as_deref(), Some("lost"));
        task.finish().await;
        store.close().await;
    }

    #[tokio::test]
    async fn a_job_that_waits_too_long_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("test.db").display());
        let store = Store::open(&url).await.unwrap();
        let jobs = Jobs::new(store.clone(), LEASE);
        let task = LeaseTask::start(jobs.clone(), LEASE);
        let new = NewJob {
            wait_max_s: 1,
            ..new_job()
        };
        let id = jobs.create(new, JobKind::Job, None).await.unwrap().id;
        let job = wait_for_end(&jobs, id).await;
        assert_eq!(job.state, JobState::FailedToStart);
        task.finish().await;
        store.close().await;
    }
}
