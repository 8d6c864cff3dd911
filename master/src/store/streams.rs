//! Table `streams`: runs that are reported while they go on.

use super::engine::{Transacting, on_connection, on_read, read_by_keys};
use super::hash::Hash16;
use super::{Store, StoreError};

const BY_RUN: &str = "select s.run, r.worker_id, r.status, r.received_us, \
     r.project, r.pass_rate, r.total, s.opening, s.open_hash, s.heard_us, s.pulse, s.progress, \
     s.batch_count, s.bytes, s.finish_hash from runs r join streams s on s.run = r.id where s.run = $1";

const BY_RUN_ID: &str = "select s.run, r.worker_id, r.status, r.received_us, \
     r.project, r.pass_rate, r.total, s.opening, s.open_hash, s.heard_us, s.pulse, s.progress, \
     s.batch_count, s.bytes, s.finish_hash from runs r join streams s on s.run = r.id where r.run_id = $1";

const INSERT: &str = "insert into streams (run, opening, open_hash, heard_us, pulse, progress, \
     batch_count, bytes) values ($1, $2, $3, $4, 1, $5, 0, 0)";

/// An update that changes nothing locks the row on either engine until the transaction ends.
const LOCK: &str = "update streams set pulse = pulse \
     where run = (select id from runs where run_id = $1) returning run";

const HEAR: &str = "update streams set heard_us = $2, pulse = pulse + 1 where run = $1";

const TELL: &str = "update streams set progress = $2 where run = $1";

const GROW: &str = "update streams set batch_count = $2, bytes = bytes + $3 where run = $1";

const FINISH: &str = "update streams set finish_hash = $2 where run = $1";

const REMOVE: &str = "delete from streams where run = $1";

const PURGE: &str = "delete from streams where finish_hash is not null and heard_us < $1";

/// Asks for what the row itself says first: while it waited for the row, its worker may have come back.
const MARK_DROPPED: &str = "update streams set batch_count = -1, opening = $2, progress = $2 \
     where batch_count >= 0 and heard_us < $1 and run in (select id from runs where status = 'lost')";

const DROP_BATCHES: &str = "delete from stream_batches where run in \
     (select run from streams where batch_count < 0)";

const LIVE: &str = "select s.run, r.run_id, s.pulse from runs r join streams s on s.run = r.id \
     where r.status = 'running' and s.finish_hash is null";

const GOING_ON: &str = "select s.heard_us, s.progress \
     from runs r join streams s on s.run = r.id \
     where r.id = $1 and r.status = 'running' and s.finish_hash is null";

/// A run that was opened, to be stored.
#[derive(Debug)]
pub(crate) struct NewStream<'a> {
    pub(crate) run: i64,
    pub(crate) opening: &'a [u8],
    pub(crate) open_hash: Hash16,
    pub(crate) heard_us: i64,
    pub(crate) progress: &'a [u8],
}

/// A run that was opened, with what its row in `runs` says of it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct StreamRow {
    pub(crate) run: i64,
    pub(crate) worker_id: String,
    pub(crate) status: String,
    /// When it was opened.
    pub(crate) received_us: i64,
    pub(crate) project: String,
    pub(crate) pass_rate: f64,
    /// Cases so far.
    pub(crate) total: i64,
    pub(crate) opening: Vec<u8>,
    pub(crate) open_hash: Vec<u8>,
    pub(crate) heard_us: i64,
    pub(crate) pulse: i64,
    pub(crate) progress: Vec<u8>,
    /// Negative when the batches of a lost run were dropped.
    pub(crate) batch_count: i64,
    pub(crate) bytes: i64,
    pub(crate) finish_hash: Option<Vec<u8>>,
}

impl StreamRow {
    /// Whether nothing can be added to it: it was finished, or its batches are gone.
    pub(crate) const fn is_over(&self) -> bool {
        self.finish_hash.is_some() || self.batch_count < 0
    }
}

/// A run that goes on, and how often its worker was heard.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct LiveRow {
    pub(crate) run: i64,
    pub(crate) run_id: String,
    pub(crate) pulse: i64,
}

/// Adds a run just opened.
pub(crate) async fn insert(
    transaction: &mut Transacting,
    stream: &NewStream<'_>,
) -> Result<(), StoreError> {
    on_connection!(transaction, connection => {
        sqlx::query(INSERT)
            .bind(stream.run)
            .bind(stream.opening)
            .bind(stream.open_hash.bytes())
            .bind(stream.heard_us)
            .bind(stream.progress)
            .execute(connection)
            .await?;
    });
    Ok(())
}

/// Reads a run and keeps others from changing it until the transaction ends.
pub(crate) async fn lock(
    transaction: &mut Transacting,
    run_id: &str,
) -> Result<Option<StreamRow>, StoreError> {
    let run: Option<i64> = on_connection!(transaction, connection => {
        sqlx::query_scalar(LOCK).bind(run_id).fetch_optional(connection).await
    })?;
    let Some(run) = run else {
        return Ok(None);
    };
    // A statement of its own: it sees what was committed while the one before waited.
    let row = on_connection!(transaction, connection => {
        sqlx::query_as(BY_RUN).bind(run).fetch_optional(connection).await
    })?;
    Ok(row)
}

/// A run that was opened, as it was last committed.
pub(crate) async fn get(store: &Store, run_id: &str) -> Result<Option<StreamRow>, StoreError> {
    let row = on_read!(store, pool => {
        sqlx::query_as(BY_RUN_ID).bind(run_id).fetch_optional(pool).await
    })?;
    Ok(row)
}

/// Its worker was heard.
pub(crate) async fn hear(
    transaction: &mut Transacting,
    run: i64,
    heard_us: i64,
) -> Result<(), StoreError> {
    on_connection!(transaction, connection => {
        sqlx::query(HEAR).bind(run).bind(heard_us).execute(connection).await?;
    });
    Ok(())
}

/// Replaces the progress, packed.
pub(crate) async fn tell(
    transaction: &mut Transacting,
    run: i64,
    progress: &[u8],
) -> Result<(), StoreError> {
    on_connection!(transaction, connection => {
        sqlx::query(TELL).bind(run).bind(progress).execute(connection).await?;
    });
    Ok(())
}

/// Counts a batch that was added.
pub(crate) async fn grow(
    transaction: &mut Transacting,
    run: i64,
    batch_count: i64,
    bytes: i64,
) -> Result<(), StoreError> {
    on_connection!(transaction, connection => {
        sqlx::query(GROW).bind(run).bind(batch_count).bind(bytes).execute(connection).await?;
    });
    Ok(())
}

/// Remembers how a run was finished.
pub(crate) async fn finish(
    transaction: &mut Transacting,
    run: i64,
    finish_hash: Hash16,
) -> Result<(), StoreError> {
    on_connection!(transaction, connection => {
        sqlx::query(FINISH).bind(run).bind(finish_hash.bytes()).execute(connection).await?;
    });
    Ok(())
}

/// Forgets that a run was opened, its batches included.
pub(crate) async fn remove(transaction: &mut Transacting, run: i64) -> Result<(), StoreError> {
    on_connection!(transaction, connection => {
        sqlx::query(REMOVE).bind(run).execute(connection).await?;
    });
    Ok(())
}

/// Forgets runs that were finished before a moment, and answers how many.
pub(crate) async fn purge(
    transaction: &mut Transacting,
    before_us: i64,
) -> Result<u64, StoreError> {
    let purged = on_connection!(transaction, connection => {
        sqlx::query(PURGE).bind(before_us).execute(connection).await?.rows_affected()
    });
    Ok(purged)
}

/// How far a run is that goes on.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct GoingOnRow {
    pub(crate) heard_us: i64,
    pub(crate) progress: Vec<u8>,
}

/// When the worker of a run was heard.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub(crate) struct HeardRow {
    pub(crate) run: i64,
    pub(crate) heard_us: i64,
}

/// How far a run is, `None` when it does not go on.
pub(crate) async fn going_on(store: &Store, run: i64) -> Result<Option<GoingOnRow>, StoreError> {
    let row = on_read!(store, pool => {
        sqlx::query_as(GOING_ON).bind(run).fetch_optional(pool).await
    })?;
    Ok(row)
}

/// When the workers of these runs were heard; runs that were not streamed are missing.
pub(crate) async fn heard(store: &Store, runs: &[i64]) -> Result<Vec<HeardRow>, StoreError> {
    Ok(read_by_keys!(
        store,
        HeardRow,
        "select run, heard_us from streams where run in",
        [],
        runs,
        |run| *run
    ))
}

/// Drops the batches of runs that were lost and not heard of since a moment. What was stored of them
/// when they were closed stays. A run is marked before its batches go: whoever sees it without its mark
/// finds them all.
pub(crate) async fn drop_lost(
    transaction: &mut Transacting,
    before_us: i64,
) -> Result<(), StoreError> {
    on_connection!(transaction, connection => {
        sqlx::query(MARK_DROPPED)
            .bind(before_us)
            .bind(&[][..] as &[u8])
            .execute(&mut *connection)
            .await?;
        sqlx::query(DROP_BATCHES).execute(connection).await?;
    });
    Ok(())
}

/// Every run that goes on.
pub(crate) async fn live(store: &Store) -> Result<Vec<LiveRow>, StoreError> {
    Ok(on_read!(store, pool => sqlx::query_as(LIVE).fetch_all(pool).await)?)
}
