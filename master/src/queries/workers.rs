//! Who reports, and how well do their runs go?

use shared::answer::WorkerSummary;

use super::moment::moment;
use crate::store::workers::{self, WorkerRow};
use crate::store::{Store, StoreError};

/// Every worker, the last seen first; of one project, those that reported runs of it, counted over these
/// alone.
pub async fn list(store: &Store, project: Option<&str>) -> Result<Vec<WorkerSummary>, StoreError> {
    let rows = match project {
        None => workers::last_seen(store).await?,
        Some(project) => workers::of_project(store, project).await?,
    };
    rows.into_iter().map(summary).collect()
}

fn summary(row: WorkerRow) -> Result<WorkerSummary, StoreError> {
    Ok(WorkerSummary {
        worker_id: row.worker_id,
        run_count: row.run_count as u64,
        last_seen: moment(row.last_seen_us)?,
        // A worker is counted when its first run is, so this never divides by zero.
        avg_pass_rate: row.pass_rate_sum / row.run_count.max(1) as f64,
    })
}
