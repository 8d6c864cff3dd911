//! Table `projects`: every project that a run named.

use super::engine::{Transacting, insert_rows, on_connection, on_read};
use super::{Store, StoreError};

const ID: &str = "select id from projects where name = $1";

const MOST_RUNS: &str =
    "select name, run_count from projects where run_count > 0 order by run_count desc, name";

/// A project with its number of runs.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct ProjectRow {
    pub(crate) name: String,
    pub(crate) run_count: i64,
}

/// The id of a project, `None` when no run ever named it.
pub(crate) async fn id(store: &Store, name: &str) -> Result<Option<i64>, StoreError> {
    let id = on_read!(store, pool => {
        sqlx::query_scalar(ID).bind(name).fetch_optional(pool).await
    })?;
    Ok(id)
}

/// Adds runs to projects, making those that are new. Sorted by name, so that two masters that count
/// at the same time wait for one another instead of blocking one another.
pub(crate) async fn count_runs(
    transaction: &mut Transacting,
    runs: &[(String, i64)],
) -> Result<(), StoreError> {
    insert_rows!(
        transaction,
        runs,
        "insert into projects (name, run_count) values",
        2,
        "on conflict (name) do update set run_count = projects.run_count + excluded.run_count",
        |query, row| query.bind(row.0.as_str()).bind(row.1)
    );
    Ok(())
}

/// Every project that has runs, the one with most first.
pub(crate) async fn most_runs(store: &Store) -> Result<Vec<ProjectRow>, StoreError> {
    Ok(on_read!(store, pool => sqlx::query_as(MOST_RUNS).fetch_all(pool).await)?)
}
