//! Table `attempts`: who had a job. Its ids are the fencing tokens.

use super::engine::{Transacting, on_connection, on_read};
use super::{Store, StoreError};

/// The columns of an [`AttemptRow`].
macro_rules! attempt_columns {
    () => {
        "id, job, number, agent, run_id, leased_us, pulse, lease_ms, log_bytes, ended_us, ending, \
         error_kind, error, exit_code"
    };
}

const INSERT: &str = concat!(
    "insert into attempts (job, number, agent, run_id, leased_us, pulse, lease_ms, overdue, log_bytes) \
     values ($1, $2, $3, $4, $5, 1, $6, 0, 0) returning ",
    attempt_columns!()
);

const BY_ID: &str = concat!(
    "select ",
    attempt_columns!(),
    " from attempts where id = $1"
);

const OF_JOB: &str = concat!(
    "select ",
    attempt_columns!(),
    " from attempts where job = $1 order by number"
);

/// An update that changes nothing locks the row on either engine until the transaction ends.
const LOCK: &str =
    "update attempts set pulse = pulse where id = $1 and job = $2 and ended_us is null";

const HEAR: &str = "update attempts set pulse = pulse + 1 \
     where id = $1 and job = $2 and ended_us is null and overdue = 0 returning lease_ms, agent, \
     (select j.cancel_requested from jobs j where j.id = attempts.job) as cancel_requested";

const OVERDUE: &str = "update attempts set overdue = 1 where id = $1";

const END: &str = "update attempts set ended_us = $2, ending = $3, error_kind = $4, error = $5, \
     exit_code = $6 where id = $1 and ended_us is null";

const GROW: &str = "update attempts set log_bytes = log_bytes + $2 where id = $1";

const ALL_GOING_ON: &str = "select a.id, a.job, a.agent, a.pulse, a.lease_ms, a.overdue, j.timeout_s \
     from attempts a join jobs j on j.id = a.job where a.ended_us is null";

/// An attempt that begins.
#[derive(Debug)]
pub(crate) struct NewAttempt<'a> {
    pub(crate) job: i64,
    pub(crate) number: i64,
    pub(crate) agent: &'a str,
    pub(crate) run_id: &'a str,
    pub(crate) leased_us: i64,
    pub(crate) lease_ms: i64,
}

/// An attempt as it is stored.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct AttemptRow {
    pub(crate) id: i64,
    pub(crate) job: i64,
    pub(crate) number: i64,
    pub(crate) agent: String,
    pub(crate) run_id: String,
    pub(crate) leased_us: i64,
    pub(crate) pulse: i64,
    pub(crate) lease_ms: i64,
    /// Bytes of its log as the agent counts them.
    pub(crate) log_bytes: i64,
    pub(crate) ended_us: Option<i64>,
    pub(crate) ending: Option<String>,
    pub(crate) error_kind: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) exit_code: Option<i64>,
}

/// What an agent that was heard is told.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct HeardAttemptRow {
    pub(crate) lease_ms: i64,
    pub(crate) agent: String,
    pub(crate) cancel_requested: i64,
}

/// An attempt that goes on.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct GoingOnAttemptRow {
    pub(crate) id: i64,
    pub(crate) job: i64,
    pub(crate) agent: String,
    pub(crate) pulse: i64,
    pub(crate) lease_ms: i64,
    pub(crate) overdue: i64,
    pub(crate) timeout_s: i64,
}

/// How an attempt ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AttemptEnd<'a> {
    pub(crate) ending: &'a str,
    pub(crate) error_kind: Option<&'a str>,
    pub(crate) error: Option<&'a str>,
    pub(crate) exit_code: Option<i64>,
}

impl AttemptRow {
    /// How it ended; `None` while it goes on.
    pub(crate) fn end(&self) -> Option<AttemptEnd<'_>> {
        Some(AttemptEnd {
            ending: self.ending.as_deref()?,
            error_kind: self.error_kind.as_deref(),
            error: self.error.as_deref(),
            exit_code: self.exit_code,
        })
    }
}

/// Begins an attempt.
pub(crate) async fn insert(
    transaction: &mut Transacting,
    attempt: &NewAttempt<'_>,
) -> Result<AttemptRow, StoreError> {
    let row = on_connection!(transaction, connection => {
        sqlx::query_as(INSERT)
            .bind(attempt.job)
            .bind(attempt.number)
            .bind(attempt.agent)
            .bind(attempt.run_id)
            .bind(attempt.leased_us)
            .bind(attempt.lease_ms)
            .fetch_one(connection)
            .await
    })?;
    Ok(row)
}

/// An attempt by its id, as a transaction sees it.
pub(crate) async fn get(
    transaction: &mut Transacting,
    id: i64,
) -> Result<Option<AttemptRow>, StoreError> {
    let row = on_connection!(transaction, connection => {
        sqlx::query_as(BY_ID).bind(id).fetch_optional(connection).await
    })?;
    Ok(row)
}

/// An attempt by its id, as it was last committed.
pub(crate) async fn by_id(store: &Store, id: i64) -> Result<Option<AttemptRow>, StoreError> {
    let row = on_read!(store, pool => {
        sqlx::query_as(BY_ID).bind(id).fetch_optional(pool).await
    })?;
    Ok(row)
}

/// The attempts of a job, in order.
pub(crate) async fn of_job(store: &Store, job: i64) -> Result<Vec<AttemptRow>, StoreError> {
    let rows = on_read!(store, pool => {
        sqlx::query_as(OF_JOB).bind(job).fetch_all(pool).await
    })?;
    Ok(rows)
}

/// Keeps others from hearing or ending an attempt until the transaction ends; answers whether it goes on.
/// Whoever needs the row of its job as well locks that one first.
pub(crate) async fn lock(
    transaction: &mut Transacting,
    job: i64,
    id: i64,
) -> Result<bool, StoreError> {
    let locked = on_connection!(transaction, connection => {
        sqlx::query(LOCK).bind(id).bind(job).execute(connection).await?.rows_affected()
    });
    Ok(locked > 0)
}

/// The agent of an attempt was heard; `None` when the attempt is over.
pub(crate) async fn hear(
    transaction: &mut Transacting,
    job: i64,
    id: i64,
) -> Result<Option<HeardAttemptRow>, StoreError> {
    let row = on_connection!(transaction, connection => {
        sqlx::query_as(HEAR).bind(id).bind(job).fetch_optional(connection).await
    })?;
    Ok(row)
}

/// Its agent is not heard any more.
pub(crate) async fn mark_overdue(transaction: &mut Transacting, id: i64) -> Result<(), StoreError> {
    on_connection!(transaction, connection => {
        sqlx::query(OVERDUE).bind(id).execute(connection).await?;
    });
    Ok(())
}

/// Ends an attempt that goes on; answers whether it did.
pub(crate) async fn end(
    transaction: &mut Transacting,
    id: i64,
    ended_us: i64,
    end: &AttemptEnd<'_>,
) -> Result<bool, StoreError> {
    let ended = on_connection!(transaction, connection => {
        sqlx::query(END)
            .bind(id)
            .bind(ended_us)
            .bind(end.ending)
            .bind(end.error_kind)
            .bind(end.error)
            .bind(end.exit_code)
            .execute(connection)
            .await?
            .rows_affected()
    });
    Ok(ended > 0)
}

/// Counts bytes of its log, as its agent does.
pub(crate) async fn grow_log(
    transaction: &mut Transacting,
    id: i64,
    bytes: i64,
) -> Result<(), StoreError> {
    on_connection!(transaction, connection => {
        sqlx::query(GROW).bind(id).bind(bytes).execute(connection).await?;
    });
    Ok(())
}

/// Every attempt that goes on.
pub(crate) async fn all_going_on(store: &Store) -> Result<Vec<GoingOnAttemptRow>, StoreError> {
    Ok(on_read!(store, pool => sqlx::query_as(ALL_GOING_ON).fetch_all(pool).await)?)
}
