//! Table `jobs`: requests to run tests. What hands them out is in [`super::job_queue`], lists are in
//! [`super::job_lists`].

use super::engine::{Transacting, on_connection, on_read, read_by_keys};
use super::{Store, StoreError};

/// The columns of a [`JobRow`]; a macro, because statements are put together when this is compiled.
macro_rules! job_columns {
    () => {
        "id, uuid, kind, project, username, environment, slot, labels, priority, timeout_s, \
         attempts_max, wait_max_s, state, error_kind, error, cancel_requested, forgotten, created_us, \
         queued_us, give_up_us, started_us, finished_us, attempt_number, attempts_counted, agent, \
         run_id, exit_code, log_bytes, rerun_of, spec"
    };
}

pub(super) use job_columns;

const INSERT: &str = concat!(
    "insert into jobs (uuid, kind, project, username, environment, labels, is_task, lane, waits_in, priority, \
     timeout_s, attempts_max, wait_max_s, state, cancel_requested, forgotten, created_us, queued_us, \
     give_up_us, attempt_number, attempts_counted, log_bytes, rerun_of, source_blob, spec) values \
     ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9, $10, $11, $12, 'queued', 0, 0, $13, $13, $14, 0, 0, 0, $15, \
     $16, $17) on conflict (uuid) do nothing returning ",
    job_columns!()
);

/// An update that changes nothing locks the row on either engine until the transaction ends.
const LOCK: &str = concat!(
    "update jobs set forgotten = forgotten where id = $1 returning ",
    job_columns!()
);

const UPDATE: &str = "update jobs set slot = $2, state = $3, error_kind = $4, error = $5, \
     waits_in = case when $3 = 'queued' then lane end, cancel_requested = $6, forgotten = $7, \
     queued_us = $8, give_up_us = $9, finished_us = $10, attempts_counted = $11, exit_code = $12 \
     where id = $1";

const BY_ID: &str = concat!("select ", job_columns!(), " from jobs where id = $1");

const BY_UUID: &str = concat!("select ", job_columns!(), " from jobs where uuid = $1");

const BY_IDS: &str = concat!("select ", job_columns!(), " from jobs where id in");

const DELETE: &str = "delete from jobs where id = $1 returning id, project";

const DELETE_OVER: &str = "delete from jobs where id in (select id from jobs where kind = $1 \
     and state <> 'queued' and state <> 'running' and forgotten = 0 order by id limit 200) \
     returning id, project";

const DELETE_FORGOTTEN: &str = "delete from jobs where id in (select id from jobs where forgotten = 1 \
     and state <> 'queued' and state <> 'running' order by id limit 200)";

/// Jobs that ended before a moment, those that ended first. Only a job that is over has such a time.
const FINISHED_BEFORE: &str = "select id, log_bytes from jobs where finished_us < $1 \
     order by finished_us, id limit $2";

/// A job that was deleted.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct DeletedJobRow {
    pub(crate) id: i64,
    pub(crate) project: String,
}

/// A job that is over, and the length of its log.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct FinishedJobRow {
    pub(crate) id: i64,
    pub(crate) log_bytes: i64,
}

/// A job to be queued.
#[derive(Debug)]
pub(crate) struct NewJobRow {
    pub(crate) uuid: String,
    pub(crate) kind: &'static str,
    pub(crate) project: String,
    pub(crate) username: String,
    pub(crate) environment: Option<String>,
    pub(crate) labels: String,
    pub(crate) is_task: bool,
    pub(crate) lane: String,
    pub(crate) priority: i64,
    pub(crate) timeout_s: i64,
    pub(crate) attempts_max: i64,
    pub(crate) wait_max_s: i64,
    pub(crate) created_us: i64,
    pub(crate) give_up_us: i64,
    pub(crate) rerun_of: Option<i64>,
    pub(crate) source_blob: Option<String>,
    pub(crate) spec: Vec<u8>,
}

/// A job as it is stored.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct JobRow {
    pub(crate) id: i64,
    pub(crate) uuid: String,
    pub(crate) kind: String,
    pub(crate) project: String,
    pub(crate) username: String,
    pub(crate) environment: Option<String>,
    pub(crate) slot: Option<i64>,
    pub(crate) labels: String,
    pub(crate) priority: i64,
    pub(crate) timeout_s: i64,
    pub(crate) attempts_max: i64,
    pub(crate) wait_max_s: i64,
    pub(crate) state: String,
    pub(crate) error_kind: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) cancel_requested: i64,
    pub(crate) forgotten: i64,
    pub(crate) created_us: i64,
    pub(crate) queued_us: i64,
    /// Only while it waits.
    pub(crate) give_up_us: Option<i64>,
    pub(crate) started_us: Option<i64>,
    pub(crate) finished_us: Option<i64>,
    pub(crate) attempt_number: i64,
    pub(crate) attempts_counted: i64,
    pub(crate) agent: Option<String>,
    pub(crate) run_id: Option<String>,
    pub(crate) exit_code: Option<i64>,
    pub(crate) log_bytes: i64,
    pub(crate) rerun_of: Option<i64>,
    pub(crate) spec: Vec<u8>,
}

/// Adds a job at the end of its queue; `None` when there is one with its UUID.
pub(crate) async fn insert(
    transaction: &mut Transacting,
    job: &NewJobRow,
) -> Result<Option<JobRow>, StoreError> {
    let row = on_connection!(transaction, connection => {
        sqlx::query_as(INSERT)
            .bind(job.uuid.as_str())
            .bind(job.kind)
            .bind(job.project.as_str())
            .bind(job.username.as_str())
            .bind(job.environment.as_deref())
            .bind(job.labels.as_str())
            .bind(i64::from(job.is_task))
            .bind(job.lane.as_str())
            .bind(job.priority)
            .bind(job.timeout_s)
            .bind(job.attempts_max)
            .bind(job.wait_max_s)
            .bind(job.created_us)
            .bind(job.give_up_us)
            .bind(job.rerun_of)
            .bind(job.source_blob.as_deref())
            .bind(job.spec.as_slice())
            .fetch_optional(connection)
            .await
    })?;
    Ok(row)
}

/// Reads a job and keeps others from changing it until the transaction ends. Whoever needs the row of its
/// environment as well locks that one first.
pub(crate) async fn lock(
    transaction: &mut Transacting,
    id: i64,
) -> Result<Option<JobRow>, StoreError> {
    let row = on_connection!(transaction, connection => {
        sqlx::query_as(LOCK).bind(id).fetch_optional(connection).await
    })?;
    Ok(row)
}

/// Writes what can change of a job that is locked.
pub(crate) async fn update(transaction: &mut Transacting, job: &JobRow) -> Result<(), StoreError> {
    on_connection!(transaction, connection => {
        sqlx::query(UPDATE)
            .bind(job.id)
            .bind(job.slot)
            .bind(job.state.as_str())
            .bind(job.error_kind.as_deref())
            .bind(job.error.as_deref())
            .bind(job.cancel_requested)
            .bind(job.forgotten)
            .bind(job.queued_us)
            .bind(job.give_up_us)
            .bind(job.finished_us)
            .bind(job.attempts_counted)
            .bind(job.exit_code)
            .execute(connection)
            .await?;
    });
    Ok(())
}

/// A job by the master's number of it.
pub(crate) async fn by_id(store: &Store, id: i64) -> Result<Option<JobRow>, StoreError> {
    let row = on_read!(store, pool => {
        sqlx::query_as(BY_ID).bind(id).fetch_optional(pool).await
    })?;
    Ok(row)
}

/// A job by its other name.
pub(crate) async fn by_uuid(store: &Store, uuid: &str) -> Result<Option<JobRow>, StoreError> {
    let row = on_read!(store, pool => {
        sqlx::query_as(BY_UUID).bind(uuid).fetch_optional(pool).await
    })?;
    Ok(row)
}

/// Jobs by their ids, in no order; those that are not there are missing.
pub(crate) async fn by_ids(store: &Store, ids: &[i64]) -> Result<Vec<JobRow>, StoreError> {
    Ok(read_by_keys!(store, JobRow, BY_IDS, [], ids, |id| *id))
}

/// Deletes a job and everything that belongs to it; answers what it was, if it was there.
pub(crate) async fn delete(
    transaction: &mut Transacting,
    id: i64,
) -> Result<Option<DeletedJobRow>, StoreError> {
    let row = on_connection!(transaction, connection => {
        sqlx::query_as(DELETE).bind(id).fetch_optional(connection).await
    })?;
    Ok(row)
}

/// Jobs that ended before a moment, at most so many, those that ended first.
pub(crate) async fn finished_before(
    store: &Store,
    before_us: i64,
    limit: u32,
) -> Result<Vec<FinishedJobRow>, StoreError> {
    let rows = on_read!(store, pool => {
        sqlx::query_as(FINISHED_BEFORE).bind(before_us).bind(i64::from(limit)).fetch_all(pool).await
    })?;
    Ok(rows)
}

/// Deletes some jobs of a kind that are over, and answers which; none are left when it answers none.
pub(crate) async fn delete_over(
    transaction: &mut Transacting,
    kind: &str,
) -> Result<Vec<DeletedJobRow>, StoreError> {
    let deleted = on_connection!(transaction, connection => {
        sqlx::query_as(DELETE_OVER).bind(kind).fetch_all(connection).await
    })?;
    Ok(deleted)
}

/// Deletes some jobs that are forgotten and over, and answers how many.
pub(crate) async fn delete_forgotten(transaction: &mut Transacting) -> Result<u64, StoreError> {
    let deleted = on_connection!(transaction, connection => {
        sqlx::query(DELETE_FORGOTTEN).execute(connection).await?.rows_affected()
    });
    Ok(deleted)
}
