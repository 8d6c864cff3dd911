//! How did the last runs go?

use shared::answer::TrendPoint;
use shared::status::RunStatus;

use super::moment::moment;
use crate::store::runs::{self, Conditions, RunRow};
use crate::store::{Store, StoreError};

/// Whose runs; an absent filter lets everything through.
#[derive(Debug, Clone, Default)]
pub struct TrendFilter {
    /// Only this project's.
    pub project: Option<String>,
    /// Only this branch's.
    pub branch: Option<String>,
    /// Only this worker's.
    pub worker_id: Option<String>,
    /// The last so many.
    pub limit: u32,
}

/// The last runs to arrive, oldest first.
pub async fn last(store: &Store, filter: &TrendFilter) -> Result<Vec<TrendPoint>, StoreError> {
    let mut conditions = Conditions::default();
    conditions.text("project =", filter.project.as_deref());
    conditions.text("branch =", filter.branch.as_deref());
    conditions.text("worker_id =", filter.worker_id.as_deref());
    // A run that goes on has no place in a trend yet.
    conditions.text("status <>", Some(RunStatus::Running.as_str()));
    let rows = runs::newest(store, &conditions, filter.limit).await?;
    rows.into_iter().rev().map(point).collect()
}

fn point(row: RunRow) -> Result<TrendPoint, StoreError> {
    Ok(TrendPoint {
        timestamp: moment(row.timestamp_us)?,
        passed: row.passed as u64,
        failed: row.failed as u64,
        total: row.total as u64,
        pass_rate: row.pass_rate,
        worker_id: row.worker_id,
        run_id: row.run_id,
        error: row.error as u64,
        duration: row.duration_s,
        status: row.status,
        branch: row.branch,
    })
}
