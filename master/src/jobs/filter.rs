//! Which jobs are asked for.

use shared::job::{JobKind, JobState};

/// Which jobs to list; an absent filter lets everything through.
#[derive(Debug, Clone, Default)]
pub struct JobsFilter {
    /// Only this project's.
    pub project: Option<String>,
    /// Only those in this state.
    pub state: Option<JobState>,
    /// Only this person's.
    pub username: Option<String>,
    /// Only those that need this environment.
    pub environment: Option<String>,
    /// Only those that came in there.
    pub kind: Option<JobKind>,
    /// Only those that this agent has, or had last.
    pub agent: Option<String>,
    /// Only those that repeat this job.
    pub rerun_of: Option<i64>,
    /// Only those with a smaller id: where to go on.
    pub before: Option<i64>,
    /// At most this many.
    pub limit: u32,
}
