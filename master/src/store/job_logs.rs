//! Table `job_logs`: the logs of jobs, in pieces as they came, packed.

use super::engine::{Transacting, on_connection, on_read};
use super::{Store, StoreError, texts};

/// An update that changes nothing locks the row on either engine until the transaction ends.
const LOCK: &str = "update jobs set log_bytes = log_bytes where id = $1 returning log_bytes";

const GROW: &str = "update jobs set log_bytes = log_bytes + $2 where id = $1";

const INSERT: &str = "insert into job_logs (job, start, bytes) values ($1, $2, $3)";

/// From the piece that an offset is in, up to another offset.
const PIECES: &str = "select start, bytes from job_logs where job = $1 \
     and start >= coalesce((select max(start) from job_logs where job = $1 and start <= $2), 0) \
     and start < $3 order by start";

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
