//! Table `job_logs`: the logs of jobs, in pieces as they came, packed.

use super::engine::{Transacting, on_connection, on_read};
use super::jobs::FinishedJobRow;
use super::{Store, StoreError, texts};

/// An update that changes nothing locks the row on either engine until the transaction ends.
const LOCK: &str = "update jobs set log_bytes = log_bytes where id = $1 returning log_bytes";

const GROW: &str = "update jobs set log_bytes = log_bytes + $2 where id = $1";

const INSERT: &str = "insert into job_logs (job, start, bytes) values ($1, $2, $3)";

/// From the piece that an offset is in, up to another offset.
const PIECES: &str = "select start, bytes from job_logs where job = $1 \
     and start >= coalesce((select max(start) from job_logs where job = $1 and start <= $2), 0) \
     and start < $3 order by start";

/// Pieces that begin at an offset or behind it.
const PIECES_FROM: &str =
    "select start, bytes from job_logs where job = $1 and start >= $2 order by start limit $3";

const REMOVE: &str = "delete from job_logs where job = $1 and start >= $2 and start <= $3";

/// Nothing is added to the log of a job that is over.
const TO_JOIN: &str = "select id, log_bytes from jobs where finished_us is not null and log_joined = 0 \
     order by finished_us limit $1";

const MARK_JOINED: &str = "update jobs set log_joined = 1 where id = $1";

/// A piece of a log.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct PieceRow {
    pub(crate) start: i64,
    pub(crate) bytes: Vec<u8>,
}

/// Keeps others from changing a job until the transaction ends; answers the bytes that its log has, `None`
/// when there is no such job.
pub(crate) async fn lock(
    transaction: &mut Transacting,
    job: i64,
) -> Result<Option<i64>, StoreError> {
    let bytes = on_connection!(transaction, connection => {
        sqlx::query_scalar(LOCK).bind(job).fetch_optional(connection).await
    })?;
    Ok(bytes)
}

/// Counts bytes that were added to the log of a job.
pub(crate) async fn grow(
    transaction: &mut Transacting,
    job: i64,
    bytes: i64,
) -> Result<(), StoreError> {
    on_connection!(transaction, connection => {
        sqlx::query(GROW).bind(job).bind(bytes).execute(connection).await?;
    });
    Ok(())
}

/// Adds a piece behind what is there.
pub(crate) async fn insert(
    transaction: &mut Transacting,
    job: i64,
    start: i64,
    bytes: &[u8],
) -> Result<(), StoreError> {
    let packed = texts::pack(bytes);
    on_connection!(transaction, connection => {
        sqlx::query(INSERT).bind(job).bind(start).bind(packed).execute(connection).await?;
    });
    Ok(())
}

/// The pieces that have something of the bytes from one offset up to another, in order.
pub(crate) async fn pieces(
    store: &Store,
    job: i64,
    from: i64,
    up_to: i64,
) -> Result<Vec<PieceRow>, StoreError> {
    let mut rows: Vec<PieceRow> = on_read!(store, pool => {
        sqlx::query_as(PIECES).bind(job).bind(from).bind(up_to).fetch_all(pool).await
    })?;
    for row in &mut rows {
        row.bytes = texts::unpack(&row.bytes)?;
    }
    Ok(rows)
}

/// Pieces that begin at an offset or behind it, at most so many, in order.
pub(crate) async fn pieces_from(
    store: &Store,
    job: i64,
    from: i64,
    limit: u32,
) -> Result<Vec<PieceRow>, StoreError> {
    let mut rows: Vec<PieceRow> = on_read!(store, pool => {
        sqlx::query_as(PIECES_FROM).bind(job).bind(from).bind(i64::from(limit)).fetch_all(pool).await
    })?;
    for row in &mut rows {
        row.bytes = texts::unpack(&row.bytes)?;
    }
    Ok(rows)
}

/// Removes the pieces that begin at one offset up to another, and answers how many there were.
pub(crate) async fn remove(
    transaction: &mut Transacting,
    job: i64,
    first: i64,
    last: i64,
) -> Result<u64, StoreError> {
    let removed = on_connection!(transaction, connection => {
        sqlx::query(REMOVE)
            .bind(job)
            .bind(first)
            .bind(last)
            .execute(connection)
            .await?
            .rows_affected()
    });
    Ok(removed)
}

/// Jobs that are over and whose logs are in many pieces still, those that ended first.
pub(crate) async fn to_join(store: &Store, limit: u32) -> Result<Vec<FinishedJobRow>, StoreError> {
    let rows = on_read!(store, pool => {
        sqlx::query_as(TO_JOIN).bind(i64::from(limit)).fetch_all(pool).await
    })?;
    Ok(rows)
}

/// The log of a job is in few pieces now.
pub(crate) async fn mark_joined(transaction: &mut Transacting, job: i64) -> Result<(), StoreError> {
    on_connection!(transaction, connection => {
        sqlx::query(MARK_JOINED).bind(job).execute(connection).await?;
    });
    Ok(())
}
