//! Table `jobs` as a queue: who is next, who holds what, who waited too long.

use super::engine::{Transacting, on_connection, on_read};
use super::jobs::{JobRow, job_columns};
use super::{Store, StoreError};

/// The first job of each lane, whatever the number of those behind it: from each lane, an index leads to
/// the next one.
const HEADS: &str = "with recursive lanes (lane) as (\
         select min(waits_in) from jobs where waits_in is not null \
         union all \
         select (select min(j.waits_in) from jobs j where j.waits_in > lanes.lane) \
         from lanes where lanes.lane is not null) \
     select j.id, j.environment, j.project, j.labels, j.is_task, \
     coalesce((select e.capacity from environments e where e.name = j.environment), 0) as capacity, \
     (select count(*) from jobs h where h.environment = j.environment and h.slot is not null) as held \
     from jobs j where j.id in (\
         select (select q.id from jobs q where q.waits_in = lanes.lane \
             order by q.priority desc, q.id limit 1) \
         from lanes where lanes.lane is not null) \
     order by j.priority desc, j.id";

/// As many as are looked at first of one environment: nearly always, its first job is the one.
const FIRST_OF_MAX: usize = 8;

const FIRST_OF: &str = "select j.id, j.environment, j.project, j.labels, j.is_task, \
     coalesce((select e.capacity from environments e where e.name = j.environment), 0) as capacity, \
     (select count(*) from jobs h where h.environment = j.environment and h.slot is not null) as held \
     from jobs j where j.waits_in is not null and j.environment = $1 \
     order by j.priority desc, j.id limit $2";

const CLAIM: &str = concat!(
    "update jobs set state = 'running', waits_in = null, give_up_us = null, slot = $2, agent = $3, started_us = $4, \
     run_id = 'job-' || uuid || '-' || (attempt_number + 1), attempt_number = attempt_number + 1, \
     attempts_counted = attempts_counted + 1, exit_code = null \
     where id = $1 and state = 'queued' returning ",
    job_columns!()
);

const SLOTS: &str =
    "select slot from jobs where environment = $1 and slot is not null order by slot";

const HOLDERS: &str = "select id, environment, project, username, started_us from jobs \
     where environment is not null and slot is not null order by started_us, id";

const HOLDERS_OF: &str = "select id, environment, project, username, started_us from jobs \
     where environment = $1 and slot is not null order by started_us, id";

const WAITING: &str = "select environment, count(*) as queued from jobs where waits_in is not null \
     and environment is not null and forgotten = 0 group by environment";

/// Two index ranges instead of one comparison of rows, which SQLite does not look up.
const BEFORE: &str = "select \
     (select count(*) from jobs where waits_in is not null and environment = $1 and priority > $2) + \
     (select count(*) from jobs where waits_in is not null and environment = $1 and priority = $2 and id < $3)";

const QUEUED: &str = "select count(*) from jobs where waits_in is not null";

const NEEDED_BY: &str = "select id from jobs where waits_in is not null and environment = $1 \
     union all select id from jobs where slot is not null and environment = $1 order by id limit 1";

const FIRST_WAITING: &str = "select id from jobs where waits_in is not null and environment = $1 \
     order by priority desc, id limit 1";

const RUNNING: &str =
    "select id, agent, project from jobs where state = 'running' and forgotten = 0 order by id";

const GIVING_UP: &str = "select id from jobs where give_up_us < $1 \
     order by give_up_us limit $2";

/// The first job of a lane.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct HeadRow {
    pub(crate) id: i64,
    pub(crate) environment: Option<String>,
    pub(crate) project: String,
    pub(crate) labels: String,
    pub(crate) is_task: i64,
    /// Of its environment.
    pub(crate) capacity: i64,
    /// Places of its environment that are taken.
    pub(crate) held: i64,
}

/// A job that holds a place of an environment.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct HolderRow {
    pub(crate) id: i64,
    pub(crate) environment: String,
    pub(crate) project: String,
    pub(crate) username: String,
    pub(crate) started_us: Option<i64>,
}

/// Jobs that wait for an environment.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct WaitingRow {
    pub(crate) environment: String,
    pub(crate) queued: i64,
}

/// A job that an agent has.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct RunningRow {
    pub(crate) id: i64,
    pub(crate) agent: Option<String>,
    pub(crate) project: String,
}

/// What is written of a job that is handed out.
#[derive(Debug)]
pub(crate) struct Claim<'a> {
    pub(crate) id: i64,
    pub(crate) slot: Option<i64>,
    pub(crate) agent: &'a str,
    pub(crate) started_us: i64,
}

/// The first job of each lane, in the order in which they come.
pub(crate) async fn heads(store: &Store) -> Result<Vec<HeadRow>, StoreError> {
    Ok(on_read!(store, pool => sqlx::query_as(HEADS).fetch_all(pool).await)?)
}

/// The first jobs of an environment as a transaction sees them, in order; and whether these are all.
pub(crate) async fn first_of(
    transaction: &mut Transacting,
    environment: &str,
) -> Result<(Vec<HeadRow>, bool), StoreError> {
    let limit = FIRST_OF_MAX as i64;
    let rows: Vec<HeadRow> = on_connection!(transaction, connection => {
        sqlx::query_as(FIRST_OF).bind(environment).bind(limit).fetch_all(connection).await
    })?;
    let are_all = rows.len() < FIRST_OF_MAX;
    Ok((rows, are_all))
}

/// The first job of each lane, as a transaction sees them.
pub(crate) async fn heads_now(transaction: &mut Transacting) -> Result<Vec<HeadRow>, StoreError> {
    let rows = on_connection!(transaction, connection => {
        sqlx::query_as(HEADS).fetch_all(connection).await
    })?;
    Ok(rows)
}

/// Gives a job that waits to an agent; `None` when it does not wait any more.
pub(crate) async fn claim(
    transaction: &mut Transacting,
    claim: &Claim<'_>,
) -> Result<Option<JobRow>, StoreError> {
    let row = on_connection!(transaction, connection => {
        sqlx::query_as(CLAIM)
            .bind(claim.id)
            .bind(claim.slot)
            .bind(claim.agent)
            .bind(claim.started_us)
            .fetch_optional(connection)
            .await
    })?;
    Ok(row)
}

/// The places of an environment that are taken, in order.
pub(crate) async fn slots(
    transaction: &mut Transacting,
    environment: &str,
) -> Result<Vec<i64>, StoreError> {
    let slots = on_connection!(transaction, connection => {
        sqlx::query_scalar(SLOTS).bind(environment).fetch_all(connection).await
    })?;
    Ok(slots)
}

/// Who holds what, the longest first; of one environment or of all.
pub(crate) async fn holders(
    store: &Store,
    environment: Option<&str>,
) -> Result<Vec<HolderRow>, StoreError> {
    let rows = on_read!(store, pool => match environment {
        Some(name) => sqlx::query_as(HOLDERS_OF).bind(name).fetch_all(pool).await,
        None => sqlx::query_as(HOLDERS).fetch_all(pool).await,
    })?;
    Ok(rows)
}

/// How many wait for each environment.
pub(crate) async fn waiting(store: &Store) -> Result<Vec<WaitingRow>, StoreError> {
    Ok(on_read!(store, pool => sqlx::query_as(WAITING).fetch_all(pool).await)?)
}

/// How many jobs come before one in the queue of an environment.
pub(crate) async fn before(
    store: &Store,
    environment: &str,
    priority: i64,
    id: i64,
) -> Result<i64, StoreError> {
    let count = on_read!(store, pool => {
        sqlx::query_scalar(BEFORE).bind(environment).bind(priority).bind(id).fetch_one(pool).await
    })?;
    Ok(count)
}

/// How many jobs wait.
pub(crate) async fn queued(store: &Store) -> Result<i64, StoreError> {
    Ok(on_read!(store, pool => sqlx::query_scalar(QUEUED).fetch_one(pool).await)?)
}

/// A job that needs an environment and is not over.
pub(crate) async fn needed_by(
    transaction: &mut Transacting,
    environment: &str,
) -> Result<Option<i64>, StoreError> {
    let id = on_connection!(transaction, connection => {
        sqlx::query_scalar(NEEDED_BY).bind(environment).fetch_optional(connection).await
    })?;
    Ok(id)
}

/// The first job that waits for an environment.
pub(crate) async fn first_waiting(
    transaction: &mut Transacting,
    environment: &str,
) -> Result<Option<i64>, StoreError> {
    let id = on_connection!(transaction, connection => {
        sqlx::query_scalar(FIRST_WAITING).bind(environment).fetch_optional(connection).await
    })?;
    Ok(id)
}

/// Every job that an agent has.
pub(crate) async fn running(store: &Store) -> Result<Vec<RunningRow>, StoreError> {
    Ok(on_read!(store, pool => sqlx::query_as(RUNNING).fetch_all(pool).await)?)
}

/// Jobs that have waited too long, at most so many.
pub(crate) async fn giving_up(
    store: &Store,
    now_us: i64,
    limit: u32,
) -> Result<Vec<i64>, StoreError> {
    let ids = on_read!(store, pool => {
        sqlx::query_scalar(GIVING_UP).bind(now_us).bind(i64::from(limit)).fetch_all(pool).await
    })?;
    Ok(ids)
}
