//! Table `workers`: who reports, kept when runs arrive.

use super::engine::{Transacting, insert_rows, on_connection, on_read};
use super::{Store, StoreError};

const LAST_SEEN: &str = "select worker_id, run_count, pass_rate_sum, last_seen_us \
     from workers where run_count > 0 order by last_seen_us desc, worker_id";

/// Reads every run of the project: only for who may not see the sums over all projects.
const OF_PROJECT: &str = "select worker_id, count(*) as run_count, sum(pass_rate) as pass_rate_sum, \
     max(received_us) as last_seen_us from runs where project = $1 and status <> 'running' \
     group by worker_id order by last_seen_us desc, worker_id";

/// A worker and the sums over its runs.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub(crate) struct WorkerRow {
    pub(crate) worker_id: String,
    pub(crate) run_count: i64,
    pub(crate) pass_rate_sum: f64,
    pub(crate) last_seen_us: i64,
}

/// Adds runs to workers. Sorted by worker, so that two masters that count at the same time do not
/// block one another.
pub(crate) async fn add(
    transaction: &mut Transacting,
    workers: &[WorkerRow],
) -> Result<(), StoreError> {
    insert_rows!(
        transaction,
        workers,
        "insert into workers (worker_id, run_count, pass_rate_sum, last_seen_us) values",
        4,
        "on conflict (worker_id) do update set run_count = workers.run_count + excluded.run_count, \
         pass_rate_sum = case when workers.run_count + excluded.run_count > 0 \
         then workers.pass_rate_sum + excluded.pass_rate_sum else 0 end, \
         last_seen_us = case when excluded.last_seen_us > workers.last_seen_us \
         then excluded.last_seen_us else workers.last_seen_us end",
        |query, worker| query
            .bind(worker.worker_id.as_str())
            .bind(worker.run_count)
            .bind(worker.pass_rate_sum)
            .bind(worker.last_seen_us)
    );
    Ok(())
}

/// Every worker, the last seen first.
pub(crate) async fn last_seen(store: &Store) -> Result<Vec<WorkerRow>, StoreError> {
    Ok(on_read!(store, pool => sqlx::query_as(LAST_SEEN).fetch_all(pool).await)?)
}

/// The workers that reported ended runs of a project, the last seen first.
pub(crate) async fn of_project(store: &Store, project: &str) -> Result<Vec<WorkerRow>, StoreError> {
    let rows = on_read!(store, pool => {
        sqlx::query_as(OF_PROJECT).bind(project).fetch_all(pool).await
    })?;
    Ok(rows)
}
