//! Table `runs`: what lists of runs need, one short row a run.

use std::fmt::Write;

use super::engine::{Transacting, on_connection, on_read, read_by_keys};
use super::hash::Hash16;
use super::{Store, StoreError, many};

const INSERT: &str = "insert into runs (run_id, content_hash, worker_id, project, branch, \
     commit_id, status, complete, timestamp_us, received_us, passed, failed, error, skipped, \
     total, duration_s, pass_rate) values";

/// Values in one row of [`INSERT`].
const WIDTH: usize = 17;

const RETURNING: &str = "on conflict (run_id) do nothing returning id, run_id";

const CONTENT_HASHES: &str = "select run_id, content_hash from runs where run_id in";

const SELECT: &str = "select id, run_id, worker_id, project, branch, commit_id, status, complete, \
     timestamp_us, received_us, passed, failed, error, skipped, total, duration_s, pass_rate \
     from runs where ";

const BY_RUN_ID: &str = "select id, run_id, worker_id, project, branch, commit_id, status, \
     complete, timestamp_us, received_us, passed, failed, error, skipped, total, duration_s, \
     pass_rate from runs where run_id = $1";

const WHOLE_DURATIONS: &str = "select duration_s from (select id, duration_s, complete \
     from runs where project = $2 order by id desc limit 200) as last \
     where complete = 1 order by id desc limit $1";

const WHOLE_DURATIONS_OF_BRANCH: &str = "select duration_s from (select id, duration_s, complete \
     from runs where project = $2 and branch = $3 order by id desc limit 200) as last \
     where complete = 1 order by id desc limit $1";

const KEY: &str = "select id, project from runs where run_id = $1";

const REPLACE: &str = "update runs set content_hash = $2, project = $3, branch = $4, \
     commit_id = $5, status = $6, complete = $7, \
     timestamp_us = case when $8 = 1 then $9 else received_us end, passed = $10, failed = $11, \
     error = $12, skipped = $13, total = $14, duration_s = $15, pass_rate = $16 where id = $1";

const COUNT: &str = "update runs set passed = $2, failed = $3, error = $4, skipped = $5, \
     total = $6, pass_rate = $7, \
     duration_s = case when $8 > duration_s then $8 else duration_s end where id = $1";

/// A run without its id.
#[derive(Debug, Clone)]
pub(crate) struct NewRunRow {
    pub(crate) run_id: String,
    pub(crate) content_hash: Hash16,
    pub(crate) worker_id: String,
    pub(crate) project: String,
    pub(crate) branch: String,
    pub(crate) commit: String,
    pub(crate) status: &'static str,
    pub(crate) complete: bool,
    pub(crate) timestamp_us: i64,
    pub(crate) received_us: i64,
    pub(crate) passed: i64,
    pub(crate) failed: i64,
    pub(crate) error: i64,
    pub(crate) skipped: i64,
    pub(crate) total: i64,
    pub(crate) duration_s: f64,
    pub(crate) pass_rate: f64,
}

/// A run as it is stored.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct RunRow {
    pub(crate) id: i64,
    pub(crate) run_id: String,
    pub(crate) worker_id: String,
    pub(crate) project: String,
    pub(crate) branch: String,
    pub(crate) commit_id: String,
    pub(crate) status: String,
    pub(crate) complete: i64,
    pub(crate) timestamp_us: i64,
    pub(crate) received_us: i64,
    pub(crate) passed: i64,
    pub(crate) failed: i64,
    pub(crate) error: i64,
    pub(crate) skipped: i64,
    pub(crate) total: i64,
    pub(crate) duration_s: f64,
    pub(crate) pass_rate: f64,
}

/// Adds runs whose `run_id` is free; answers the ids and run ids of those that were added.
pub(crate) async fn insert(
    transaction: &mut Transacting,
    runs: &[&NewRunRow],
) -> Result<Vec<(i64, String)>, StoreError> {
    let mut added = Vec::new();
    for chunk in many::chunks(runs, WIDTH) {
        let text = many::values(
            INSERT,
            chunk.len(),
            WIDTH,
            RETURNING,
            transaction.placeholders(),
        );
        added.extend(on_connection!(transaction, connection => {
            let mut query = sqlx::query_as(sqlx::AssertSqlSafe(text));
            for run in chunk {
                query = query
                    .bind(run.run_id.as_str())
                    .bind(run.content_hash.bytes())
                    .bind(run.worker_id.as_str())
                    .bind(run.project.as_str())
                    .bind(run.branch.as_str())
                    .bind(run.commit.as_str())
                    .bind(run.status)
                    .bind(i64::from(run.complete))
                    .bind(run.timestamp_us)
                    .bind(run.received_us)
                    .bind(run.passed)
                    .bind(run.failed)
                    .bind(run.error)
                    .bind(run.skipped)
                    .bind(run.total)
                    .bind(run.duration_s)
                    .bind(run.pass_rate);
            }
            query.fetch_all(connection).await
        })?);
    }
    Ok(added)
}

/// Puts another content in the place of a run's. The moment of its receipt stays, and stands in for
/// a timestamp that was not sent.
pub(crate) async fn replace(
    transaction: &mut Transacting,
    id: i64,
    run: &NewRunRow,
    has_timestamp: bool,
) -> Result<(), StoreError> {
    on_connection!(transaction, connection => {
        sqlx::query(REPLACE)
            .bind(id)
            .bind(run.content_hash.bytes())
            .bind(run.project.as_str())
            .bind(run.branch.as_str())
            .bind(run.commit.as_str())
            .bind(run.status)
            .bind(i64::from(run.complete))
            .bind(i64::from(has_timestamp))
            .bind(run.timestamp_us)
            .bind(run.passed)
            .bind(run.failed)
            .bind(run.error)
            .bind(run.skipped)
            .bind(run.total)
            .bind(run.duration_s)
            .bind(run.pass_rate)
            .execute(connection)
            .await?;
    });
    Ok(())
}

/// Counts of a run that goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct CountsRow {
    pub(crate) passed: i64,
    pub(crate) failed: i64,
    pub(crate) error: i64,
    pub(crate) skipped: i64,
    pub(crate) total: i64,
    pub(crate) pass_rate: f64,
    /// Since it was opened. A smaller one than before is not believed.
    pub(crate) duration_s: f64,
}

/// Sets the counts of a run that goes on.
pub(crate) async fn count(
    transaction: &mut Transacting,
    id: i64,
    counts: &CountsRow,
) -> Result<(), StoreError> {
    on_connection!(transaction, connection => {
        sqlx::query(COUNT)
            .bind(id)
            .bind(counts.passed)
            .bind(counts.failed)
            .bind(counts.error)
            .bind(counts.skipped)
            .bind(counts.total)
            .bind(counts.pass_rate)
            .bind(counts.duration_s)
            .execute(connection)
            .await?;
    });
    Ok(())
}

/// The worker of the run with this run id, as a transaction sees it.
pub(crate) async fn worker(
    transaction: &mut Transacting,
    run_id: &str,
) -> Result<Option<String>, StoreError> {
    let worker = on_connection!(transaction, connection => {
        sqlx::query_scalar("select worker_id from runs where run_id = $1")
            .bind(run_id)
            .fetch_optional(connection)
            .await
    })?;
    Ok(worker)
}

/// The content hashes of those of these runs that are stored.
pub(crate) async fn content_hashes(
    transaction: &mut Transacting,
    run_ids: &[&str],
) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
    let mut found = Vec::new();
    for chunk in many::chunks(run_ids, 1) {
        let text = many::list(CONTENT_HASHES, 1, chunk.len(), transaction.placeholders());
        found.extend(on_connection!(transaction, connection => {
            let mut query = sqlx::query_as(sqlx::AssertSqlSafe(text));
            for run_id in chunk {
                query = query.bind(*run_id);
            }
            query.fetch_all(connection).await
        })?);
    }
    Ok(found)
}

/// One value that a condition compares with.
#[derive(Debug, Clone)]
pub(crate) enum Bound {
    Text(String),
    Number(i64),
}

/// Conditions on runs, each a fixed text such as `project =` with the value to the right of it.
#[derive(Debug, Default)]
pub(crate) struct Conditions(Vec<(&'static str, Bound)>);

impl Conditions {
    /// Adds a condition when there is a text to compare with.
    pub(crate) fn text(&mut self, left: &'static str, right: Option<&str>) {
        let bound = right.map(|text| (left, Bound::Text(text.to_owned())));
        self.0.extend(bound);
    }

    /// Adds a condition when there is a number to compare with.
    pub(crate) fn number(&mut self, left: &'static str, right: Option<i64>) {
        self.0
            .extend(right.map(|number| (left, Bound::Number(number))));
    }

    fn statement(&self) -> String {
        let mut text = String::from(SELECT);
        for (index, (left, _)) in self.0.iter().enumerate() {
            // Writing to a String cannot fail.
            let _ = write!(text, "{left} ${} and ", index + 1);
        }
        let _ = write!(text, "id > 0 order by id desc limit ${}", self.0.len() + 1);
        text
    }
}

/// The last runs to arrive under some conditions, newest first.
pub(crate) async fn newest(
    store: &Store,
    conditions: &Conditions,
    limit: u32,
) -> Result<Vec<RunRow>, StoreError> {
    let text = conditions.statement();
    let rows = on_read!(store, pool => {
        let mut query = sqlx::query_as(sqlx::AssertSqlSafe(text));
        for (_, right) in &conditions.0 {
            query = match right {
                Bound::Text(text) => query.bind(text.as_str()),
                Bound::Number(number) => query.bind(*number),
            };
        }
        query.bind(i64::from(limit)).fetch_all(pool).await
    })?;
    Ok(rows)
}

/// Runs by their ids; those that are not there are missing.
pub(crate) async fn by_ids(store: &Store, ids: &[i64]) -> Result<Vec<RunRow>, StoreError> {
    Ok(read_by_keys!(
        store,
        RunRow,
        "select id, run_id, worker_id, project, branch, commit_id, status, complete, \
         timestamp_us, received_us, passed, failed, error, skipped, total, duration_s, pass_rate \
         from runs where id in",
        [],
        ids,
        |id| *id
    ))
}

/// The same by the ids that workers chose.
pub(crate) async fn by_run_ids(
    store: &Store,
    run_ids: &[String],
) -> Result<Vec<RunRow>, StoreError> {
    Ok(read_by_keys!(
        store,
        RunRow,
        "select id, run_id, worker_id, project, branch, commit_id, status, complete, \
         timestamp_us, received_us, passed, failed, error, skipped, total, duration_s, pass_rate \
         from runs where run_id in",
        [],
        run_ids,
        |run_id| run_id.as_str()
    ))
}

/// How long the last whole runs of a project took, in seconds, the last first. Looks at no more than
/// the last 200 runs of the branch, or of the project when no branch is named.
pub(crate) async fn whole_durations(
    store: &Store,
    project: &str,
    branch: Option<&str>,
    limit: u32,
) -> Result<Vec<f64>, StoreError> {
    let durations = on_read!(store, pool => {
        match branch {
            Some(branch) => sqlx::query_scalar(WHOLE_DURATIONS_OF_BRANCH)
                .bind(i64::from(limit)).bind(project).bind(branch).fetch_all(pool).await,
            None => sqlx::query_scalar(WHOLE_DURATIONS)
                .bind(i64::from(limit)).bind(project).fetch_all(pool).await,
        }
    })?;
    Ok(durations)
}

/// The run with this run id.
pub(crate) async fn by_run_id(store: &Store, run_id: &str) -> Result<Option<RunRow>, StoreError> {
    let row = on_read!(store, pool => {
        sqlx::query_as(BY_RUN_ID).bind(run_id).fetch_optional(pool).await
    })?;
    Ok(row)
}

/// The id and project of the run with this run id.
pub(crate) async fn key(store: &Store, run_id: &str) -> Result<Option<(i64, String)>, StoreError> {
    let row = on_read!(store, pool => {
        sqlx::query_as(KEY).bind(run_id).fetch_optional(pool).await
    })?;
    Ok(row)
}
