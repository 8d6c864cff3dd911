//! Table `case_failures`: everything that went wrong inside a case, in order.

use super::engine::{Transacting, insert_rows, on_connection, on_read};
use super::hash::Hash16;
use super::{Store, StoreError};

const AT: &str = "select phase, outcome, context, message, traceback, stdout, stderr, log \
     from case_failures where run = $1 and position = $2 order by ordinal";

/// Something that went wrong, to be stored. Empty texts have no hash.
#[derive(Debug, Clone)]
pub(crate) struct NewCaseFailure {
    /// Position of the case in the layout.
    pub(crate) position: i64,
    pub(crate) ordinal: i64,
    pub(crate) phase: String,
    pub(crate) outcome: Option<u8>,
    pub(crate) context: Option<String>,
    /// Message, traceback, stdout, stderr, log.
    pub(crate) texts: [Option<Hash16>; 5],
}

/// Something that went wrong, as it is stored. Phase and context are bytes because a text of
/// PostgreSQL cannot hold every character that a test can print.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct CaseFailureRow {
    pub(crate) phase: Vec<u8>,
    pub(crate) outcome: Option<i64>,
    pub(crate) context: Option<Vec<u8>>,
    pub(crate) message: Option<Vec<u8>>,
    pub(crate) traceback: Option<Vec<u8>>,
    pub(crate) stdout: Option<Vec<u8>>,
    pub(crate) stderr: Option<Vec<u8>>,
    pub(crate) log: Option<Vec<u8>>,
}

/// Adds what went wrong, each with the id of its run.
pub(crate) async fn insert(
    transaction: &mut Transacting,
    failures: &[(i64, &NewCaseFailure)],
) -> Result<(), StoreError> {
    insert_rows!(
        transaction,
        failures,
        "insert into case_failures (run, position, ordinal, phase, outcome, context, message, \
         traceback, stdout, stderr, log) values",
        11,
        "",
        |query, row| query
            .bind(row.0)
            .bind(row.1.position)
            .bind(row.1.ordinal)
            .bind(row.1.phase.as_bytes())
            .bind(row.1.outcome.map(i64::from))
            .bind(row.1.context.as_ref().map(String::as_bytes))
            .bind(row.1.texts[0].as_ref().map(Hash16::bytes))
            .bind(row.1.texts[1].as_ref().map(Hash16::bytes))
            .bind(row.1.texts[2].as_ref().map(Hash16::bytes))
            .bind(row.1.texts[3].as_ref().map(Hash16::bytes))
            .bind(row.1.texts[4].as_ref().map(Hash16::bytes))
    );
    Ok(())
}

/// What went wrong in the case at a position.
pub(crate) async fn at(
    store: &Store,
    run: i64,
    position: i64,
) -> Result<Vec<CaseFailureRow>, StoreError> {
    let rows = on_read!(store, pool => {
        sqlx::query_as(AT).bind(run).bind(position).fetch_all(pool).await
    })?;
    Ok(rows)
}

/// Forgets what went wrong in a run.
pub(crate) async fn remove(transaction: &mut Transacting, run: i64) -> Result<(), StoreError> {
    on_connection!(transaction, connection => {
        sqlx::query("delete from case_failures where run = $1").bind(run).execute(connection).await?;
    });
    Ok(())
}
