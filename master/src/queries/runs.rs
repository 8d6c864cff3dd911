//! Which runs were there, and what did one of them say?

use chrono::{DateTime, Utc};
use shared::run::{Run, RunSummary};
use shared::status::RunStatus;

use crate::store::{Store, StoreError};

/// Which runs to list; an absent filter lets everything through.
#[derive(Debug, Clone, Default)]
pub struct RunsFilter {
    /// Only this worker's.
    pub worker_id: Option<String>,
    /// Only this project's.
    pub project: Option<String>,
    /// Only this branch's.
    pub branch: Option<String>,
    /// Only this commit's: the whole, or the first characters of it.
    pub commit: Option<String>,
    /// Only those with this verdict.
    pub status: Option<RunStatus>,
    /// Only those whose timestamp is this moment or later.
    pub since: Option<DateTime<Utc>>,
    /// Only those whose timestamp is before this moment.
    pub until: Option<DateTime<Utc>>,
    /// Only those with a smaller id: where to go on.
    pub before: Option<i64>,
    /// At most this many.
    pub limit: u32,
}

/// Lists runs, the last to arrive first.
#[expect(clippy::unused_async, reason = "filled in next")]
pub async fn list(_store: &Store, _filter: &RunsFilter) -> Result<Vec<RunSummary>, StoreError> {
    unimplemented!()
}

/// One run with its failures, `None` when there is none with this id.
#[expect(clippy::unused_async, reason = "filled in next")]
pub async fn get(_store: &Store, _run_id: &str) -> Result<Option<Run>, StoreError> {
    unimplemented!()
}
