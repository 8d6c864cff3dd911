//! Table `stream_batches`: cases of runs that go on, as they came.

use super::engine::{Transacting, on_connection, on_read};
use super::{Store, StoreError};

const INSERT: &str = "insert into stream_batches (run, number, batch_id, cases, marks) \
     values ($1, $2, $3, $4, $5)";

const BATCH_ID: &str = "select batch_id from stream_batches where run = $1 and number = $2";

const MARKS: &str = "select marks from stream_batches where run = $1 and number > $2 and number <= $3 \
     order by number";

const ALL_MARKS: &str = "select number, marks from stream_batches where run = $1 order by number";

const CASES: &str = "select cases from stream_batches where run = $1 and number > $2 and number <= $3 \
     order by number";

const REMOVE: &str = "delete from stream_batches where run = $1";

/// A batch to be stored.
#[derive(Debug)]
pub(crate) struct NewBatchRow<'a> {
    pub(crate) run: i64,
    pub(crate) number: i64,
    pub(crate) batch_id: &'a str,
    pub(crate) cases: &'a [u8],
    pub(crate) marks: &'a [u8],
}

/// Adds a batch.
pub(crate) async fn insert(
    transaction: &mut Transacting,
    batch: &NewBatchRow<'_>,
) -> Result<(), StoreError> {
    on_connection!(transaction, connection => {
        sqlx::query(INSERT)
            .bind(batch.run)
            .bind(batch.number)
            .bind(batch.batch_id)
            .bind(batch.cases)
            .bind(batch.marks)
            .execute(connection)
            .await?;
    });
    Ok(())
}

/// The id of the batch with a number.
pub(crate) async fn batch_id(
    transaction: &mut Transacting,
    run: i64,
    number: i64,
) -> Result<Option<String>, StoreError> {
    let id = on_connection!(transaction, connection => {
        sqlx::query_scalar(BATCH_ID).bind(run).bind(number).fetch_optional(connection).await
    })?;
    Ok(id)
}

/// The marks of the batches after one number and up to another, in order.
pub(crate) async fn marks(
    transaction: &mut Transacting,
    run: i64,
    after: i64,
    last: i64,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let marks = on_connection!(transaction, connection => {
        sqlx::query_scalar(MARKS).bind(run).bind(after).bind(last).fetch_all(connection).await
    })?;
    Ok(marks)
}

/// The marks of one batch.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct MarksRow {
    pub(crate) number: i64,
    pub(crate) marks: Vec<u8>,
}

/// The marks of all batches of a run, in order.
pub(crate) async fn all_marks(store: &Store, run: i64) -> Result<Vec<MarksRow>, StoreError> {
    let rows = on_read!(store, pool => {
        sqlx::query_as(ALL_MARKS).bind(run).fetch_all(pool).await
    })?;
    Ok(rows)
}

/// The packed cases of the batches after one number and up to another, in order.
pub(crate) async fn cases(
    store: &Store,
    run: i64,
    after: i64,
    last: i64,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let cases = on_read!(store, pool => {
        sqlx::query_scalar(CASES).bind(run).bind(after).bind(last).fetch_all(pool).await
    })?;
    Ok(cases)
}

/// Forgets the batches of a run.
pub(crate) async fn remove(transaction: &mut Transacting, run: i64) -> Result<(), StoreError> {
    on_connection!(transaction, connection => {
        sqlx::query(REMOVE).bind(run).execute(connection).await?;
    });
    Ok(())
}
