//! The queue, as handlers use it.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use shared::environment::{Environment, NewEnvironment};
use shared::job::{Job, JobKind, NewJob, Step};
use shared::lease::{Agent, FinishAttempt, Heartbeat, Lease, LeaseRequest, LogKept};

use super::{JobsError, JobsFilter};
use crate::store::{Store, StoreError};

/// All jobs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Jobs {
    #[expect(dead_code, reason = "the first use comes with the next change")]
    store: Store,
    #[expect(dead_code, reason = "the first use comes with the next change")]
    lease: Duration,
}

/// How far the log of a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogEnd {
    /// Bytes of it so far.
    pub bytes: u64,
    /// Whether nothing will be added any more.
    pub is_over: bool,
}

fn soon<T>() -> Result<T, JobsError> {
    Err(StoreError::Closed.into())
}

#[expect(
    unused_variables,
    clippy::unused_async,
    reason = "the contents come with the next change"
)]
impl Jobs {
    /// Jobs in a store; an agent that is silent for the time of a lease loses its job.
    pub const fn new(store: Store, lease: Duration) -> Self {
        Self { store, lease }
    }

    /// Queues a job. What its source names must be pinned already.
    pub async fn create(
        &self,
        new: NewJob,
        kind: JobKind,
        rerun_of: Option<i64>,
    ) -> Result<Job, JobsError> {
        soon()
    }

    /// One job with everything about it. `name` is its id or its UUID; `project` is the only one that is
    /// seen.
    pub async fn get(&self, name: &str, project: Option<&str>) -> Result<Job, JobsError> {
        soon()
    }

    /// Lists jobs, newest first.
    pub async fn list(&self, filter: &JobsFilter) -> Result<Vec<Job>, JobsError> {
        soon()
    }

    /// Counts jobs; `before` and `limit` of the filter mean nothing here.
    pub async fn count(&self, filter: &JobsFilter) -> Result<u64, JobsError> {
        soon()
    }

    /// One page of a list, newest first, pages counted from 1, and how many jobs there are on all of them.
    pub async fn page(
        &self,
        filter: &JobsFilter,
        page: u64,
        per_page: u32,
    ) -> Result<(Vec<Job>, u64), JobsError> {
        soon()
    }

    /// Asks for the end of a job: one that waits is cancelled at once, the agent of one that runs hears of
    /// it with its next heartbeat.
    pub async fn cancel(&self, id: i64, by: &str) -> Result<Job, JobsError> {
        soon()
    }

    /// Queues a job once more: all of it, or only what did not pass in the run of its last attempt.
    pub async fn rerun(&self, id: i64, failed_only: bool, by: &str) -> Result<Job, JobsError> {
        soon()
    }

    /// Deletes a job that is over, with its log and its history. Its runs stay.
    pub async fn delete(&self, id: i64) -> Result<(), JobsError> {
        soon()
    }

    /// Deletes a job whatever its state: it is cancelled if need be, and is not seen any more from now on.
    pub async fn forget(&self, id: i64) -> Result<(), JobsError> {
        soon()
    }

    /// Deletes the jobs of a kind that are over, and answers how many.
    pub async fn delete_over(&self, kind: JobKind) -> Result<u64, JobsError> {
        soon()
    }

    /// Hands out the next job that an agent can have, if there is one now. `project` is the only one that
    /// the agent may have jobs of.
    pub async fn lease(
        &self,
        request: &LeaseRequest,
        project: Option<&str>,
    ) -> Result<Option<Lease>, JobsError> {
        soon()
    }

    /// As [`Self::lease`], but waits for a job when there is none. When the future is dropped, a job that
    /// was just handed out is queued again.
    pub async fn lease_or_wait(
        &self,
        request: &LeaseRequest,
        project: Option<&str>,
        wait: Duration,
    ) -> Result<Option<Lease>, JobsError> {
        soon()
    }

    /// Hands out the next job that a runner of the task contract can have: one of a git repository and a
    /// branch, without labels, arguments and variables. Such a lease has no heartbeats, and is over some time
    /// after the job's own timeout.
    pub async fn lease_task(
        &self,
        runner: &str,
        project: Option<&str>,
    ) -> Result<Option<Lease>, JobsError> {
        soon()
    }

    /// The job of an attempt, for those who know nothing but its number. The attempt may be over.
    pub async fn job_of_attempt(&self, attempt: i64) -> Result<i64, JobsError> {
        soon()
    }

    /// What was handed out with an attempt, as long as it is not over.
    pub async fn attempt(&self, job: i64, attempt: i64) -> Result<Lease, JobsError> {
        soon()
    }

    /// The agent lives and has the job.
    pub async fn heartbeat(&self, job: i64, attempt: i64) -> Result<Heartbeat, JobsError> {
        soon()
    }

    /// Keeps the next piece of an attempt's log, which begins at `offset`.
    pub async fn append_log(
        &self,
        job: i64,
        attempt: i64,
        offset: u64,
        piece: Bytes,
    ) -> Result<LogKept, JobsError> {
        soon()
    }

    /// Keeps how far a step of an attempt is.
    pub async fn step(&self, job: i64, attempt: i64, step: Step) -> Result<(), JobsError> {
        soon()
    }

    /// Ends an attempt. The same may be said again.
    pub async fn finish(
        &self,
        job: i64,
        attempt: i64,
        finish: FinishAttempt,
    ) -> Result<Job, JobsError> {
        soon()
    }

    /// The log of a job from an offset, at most so many bytes; empty at its end.
    pub async fn log(&self, id: i64, from: u64, bytes_max: usize) -> Result<Vec<u8>, JobsError> {
        soon()
    }

    /// The end of the log of a job, at most so many bytes.
    pub async fn log_tail(&self, id: i64, bytes_max: usize) -> Result<Vec<u8>, JobsError> {
        soon()
    }

    /// Waits until the log of a job has more than so many bytes or the job is over, at most so long.
    /// Answers how far it is then.
    pub async fn log_grown(
        &self,
        id: i64,
        beyond: u64,
        wait: Duration,
    ) -> Result<LogEnd, JobsError> {
        soon()
    }

    /// Every environment, in the order that people expect: `2` before `10`. Holders of other projects than
    /// `project` are not named.
    pub async fn environments(&self, project: Option<&str>) -> Result<Vec<Environment>, JobsError> {
        soon()
    }

    /// One environment.
    pub async fn environment(
        &self,
        name: &str,
        project: Option<&str>,
    ) -> Result<Environment, JobsError> {
        soon()
    }

    /// Makes or changes an environment; also answers whether it was made.
    pub async fn put_environment(
        &self,
        name: &str,
        new: NewEnvironment,
    ) -> Result<(Environment, bool), JobsError> {
        soon()
    }

    /// Deletes an environment that no job needs any more.
    pub async fn delete_environment(&self, name: &str) -> Result<(), JobsError> {
        soon()
    }

    /// Every agent that was heard of late, by name.
    pub async fn agents(&self) -> Result<Vec<Agent>, JobsError> {
        soon()
    }

    /// Ends the wait of jobs that waited too long, and answers how many.
    pub async fn give_up_waiting(&self, now: DateTime<Utc>) -> Result<u64, JobsError> {
        soon()
    }
}
