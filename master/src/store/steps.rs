//! Table `steps`: what an agent did for a job, and when.

use super::engine::{Transacting, on_connection, on_read};
use super::{Store, StoreError};

const PUT: &str = "insert into steps (attempt, position, started_us, finished_us, text) \
     values ($1, $2, $3, $4, $5) on conflict (attempt, position) do update set \
     started_us = excluded.started_us, finished_us = excluded.finished_us, text = excluded.text";

const OF_JOB: &str = "select s.attempt, s.position, s.started_us, s.finished_us, s.text \
     from attempts a join steps s on s.attempt = a.id where a.job = $1 order by s.attempt, s.position";

/// One step.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct StepRow {
    pub(crate) attempt: i64,
    /// Its place among the steps.
    pub(crate) position: i64,
    pub(crate) started_us: i64,
    pub(crate) finished_us: Option<i64>,
    pub(crate) text: String,
}

/// Adds a step, or says more about it.
pub(crate) async fn put(transaction: &mut Transacting, step: &StepRow) -> Result<(), StoreError> {
    on_connection!(transaction, connection => {
        sqlx::query(PUT)
            .bind(step.attempt)
            .bind(step.position)
            .bind(step.started_us)
            .bind(step.finished_us)
            .bind(step.text.as_str())
            .execute(connection)
            .await?;
    });
    Ok(())
}

/// The steps of all attempts of a job, in order.
pub(crate) async fn of_job(store: &Store, job: i64) -> Result<Vec<StepRow>, StoreError> {
    let rows = on_read!(store, pool => {
        sqlx::query_as(OF_JOB).bind(job).fetch_all(pool).await
    })?;
    Ok(rows)
}
