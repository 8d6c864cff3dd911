//! Table `failure_counts`: in how many runs each test failed, kept when runs arrive.

use super::engine::{Transacting, insert_rows, on_connection, on_read};
use super::{Store, StoreError};

const TOP: &str = "select t.nodeid, c.fail_count \
     from failure_counts c join tests t on t.id = c.test \
     where c.scope = $1 and c.fail_count > 0 order by c.fail_count desc, c.test limit $2";

/// A test and in how many runs it failed.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct FailureCountRow {
    pub(crate) nodeid: String,
    pub(crate) fail_count: i64,
}

/// Adds failures to tests: test, scope (its project, or all projects), number of runs. Sorted by
/// test, so that two masters that count at the same time do not block one another.
pub(crate) async fn add(
    transaction: &mut Transacting,
    counts: &[(i64, i64, i64)],
) -> Result<(), StoreError> {
    insert_rows!(
        transaction,
        counts,
        "insert into failure_counts (test, scope, fail_count) values",
        3,
        "on conflict (test) do update \
         set fail_count = failure_counts.fail_count + excluded.fail_count",
        |query, count| query.bind(count.0).bind(count.1).bind(count.2)
    );
    Ok(())
}

/// The tests of a scope that failed in most runs.
pub(crate) async fn top(
    store: &Store,
    scope: i64,
    limit: u32,
) -> Result<Vec<FailureCountRow>, StoreError> {
    let rows = on_read!(store, pool => {
        sqlx::query_as(TOP).bind(scope).bind(i64::from(limit)).fetch_all(pool).await
    })?;
    Ok(rows)
}
