//! Why something could not be done to a job.

use shared::validate::Invalid;

use crate::store::StoreError;

/// Why something could not be done to a job.
#[derive(Debug, thiserror::Error)]
pub enum JobsError {
    /// A field breaks a rule.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// There is no such job, or the caller may not see it.
    #[error("there is no job `{0}`")]
    NotFound(String),
    /// There never was such an attempt, or its job is deleted.
    #[error("there is no attempt {0}")]
    NoAttempt(i64),
    /// There is no such environment.
    #[error("there is no environment `{0}`; GET /environments lists them")]
    NoEnvironment(String),
    /// Jobs that are not over need the environment.
    #[error("environment `{name}` is needed by job {job}; wait for it or cancel it first")]
    EnvironmentInUse {
        /// The environment.
        name: String,
        /// One of the jobs.
        job: i64,
    },
    /// A contract needs the environment.
    #[error("environment `{0}` is needed by POST /run_suite; it cannot be deleted")]
    EnvironmentOfContract(String),
    /// The UUID that a client chose belongs to another job.
    #[error("uuid: `{0}` belongs to a job with other content; make a new one for each job")]
    Conflict(String),
    /// The UUID that a client chose belonged to a job that is deleted, whose runs are there.
    #[error("uuid: `{0}` belonged to a job that is deleted; make a new one for each job")]
    UsedUp(String),
    /// The job is in a state in which this cannot be done.
    #[error("{0}")]
    WrongState(String),
    /// The lease is over: another agent may have the job.
    #[error("this attempt at the job is over; end what belongs to it")]
    LeaseLost,
    /// A piece of a log does not follow on what is kept.
    #[error("the log of this attempt has {bytes} bytes so far; go on there")]
    LogGap {
        /// Where the next piece has to begin.
        bytes: u64,
    },
    /// Too many jobs wait.
    #[error("{0} jobs wait already; try again when some are done")]
    QueueFull(u64),
    /// Others were always faster.
    #[error("too many want the same at the moment; try again")]
    Busy,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
