//! Table `failures`: every bad case of a run, exactly; for runs without cases, the failures as they
//! were sent.

use super::engine::{Transacting, insert_rows, on_connection, on_read};
use super::hash::Hash16;
use super::{Store, StoreError};

const LISTED: &str = "select f.position, f.duration_s, t.nodeid \
     from failures f join tests t on t.id = f.test \
     where f.run = $1 and f.listed = 1 order by f.position";

const LISTED_WITH_TEXTS: &str = "select f.duration_s, t.nodeid, x.data as message \
     from failures f join tests t on t.id = f.test left join texts x on x.hash = f.message \
     where f.run = $1 and f.listed = 1 order by f.position";

const AT: &str = "select duration_s, setup_s, call_s, teardown_s, message \
     from failures where run = $1 and position = $2";

const COUNTED: &str = "select f.test, t.project_id, a.id \
     from failures f join tests t on t.id = f.test \
     join tests a on a.project_id = 0 and a.hash = t.hash \
     where f.run = $1 and f.listed = 1";

/// A failure to be stored.
#[derive(Debug, Clone)]
pub(crate) struct NewFailure {
    /// Position in the layout, or in the list that was sent.
    pub(crate) position: i64,
    pub(crate) test: i64,
    /// Whether it belongs into the run's list of failures.
    pub(crate) listed: bool,
    pub(crate) duration_s: Option<f64>,
    pub(crate) phases_s: [Option<f64>; 3],
    /// The message, when it stands nowhere else.
    pub(crate) message: Option<Hash16>,
}

/// A bad case, to be completed from the columns.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct ListedRow {
    pub(crate) position: i64,
    pub(crate) duration_s: Option<f64>,
    pub(crate) nodeid: String,
}

/// A failure as it was sent.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct SentRow {
    pub(crate) duration_s: Option<f64>,
    pub(crate) nodeid: String,
    pub(crate) message: Option<Vec<u8>>,
}

/// What a bad case's columns do not hold exactly.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct ExactRow {
    pub(crate) duration_s: Option<f64>,
    pub(crate) setup_s: Option<f64>,
    pub(crate) call_s: Option<f64>,
    pub(crate) teardown_s: Option<f64>,
    pub(crate) message: Option<Vec<u8>>,
}

/// Adds failures, each with the id of its run.
pub(crate) async fn insert(
    transaction: &mut Transacting,
    failures: &[(i64, &NewFailure)],
) -> Result<(), StoreError> {
    insert_rows!(
        transaction,
        failures,
        "insert into failures (run, position, test, listed, duration_s, setup_s, call_s, \
         teardown_s, message) values",
        9,
        "",
        |query, row| query
            .bind(row.0)
            .bind(row.1.position)
            .bind(row.1.test)
            .bind(i64::from(row.1.listed))
            .bind(row.1.duration_s)
            .bind(row.1.phases_s[0])
            .bind(row.1.phases_s[1])
            .bind(row.1.phases_s[2])
            .bind(row.1.message.as_ref().map(Hash16::bytes))
    );
    Ok(())
}

/// The bad cases of a run.
pub(crate) async fn listed(store: &Store, run: i64) -> Result<Vec<ListedRow>, StoreError> {
    let rows = on_read!(store, pool => sqlx::query_as(LISTED).bind(run).fetch_all(pool).await)?;
    Ok(rows)
}

/// The failures that were sent with a run without cases, in the order in which they were sent.
pub(crate) async fn sent(store: &Store, run: i64) -> Result<Vec<SentRow>, StoreError> {
    let rows = on_read!(store, pool => {
        sqlx::query_as(LISTED_WITH_TEXTS).bind(run).fetch_all(pool).await
    })?;
    Ok(rows)
}

/// The case at a position, when it is a bad one or has more to say than its columns hold.
pub(crate) async fn at(
    store: &Store,
    run: i64,
    position: i64,
) -> Result<Option<ExactRow>, StoreError> {
    let row = on_read!(store, pool => {
        sqlx::query_as(AT).bind(run).bind(position).fetch_optional(pool).await
    })?;
    Ok(row)
}

/// The tests of a run that count as failed: each in its project, the project, and the same test in
/// the dictionary of all projects.
pub(crate) async fn counted(
    transaction: &mut Transacting,
    run: i64,
) -> Result<Vec<(i64, i64, i64)>, StoreError> {
    let rows = on_connection!(transaction, connection => {
        sqlx::query_as(COUNTED).bind(run).fetch_all(connection).await
    })?;
    Ok(rows)
}

/// Forgets the failures of a run.
pub(crate) async fn remove(transaction: &mut Transacting, run: i64) -> Result<(), StoreError> {
    on_connection!(transaction, connection => {
        sqlx::query("delete from failures where run = $1").bind(run).execute(connection).await?;
    });
    Ok(())
}
