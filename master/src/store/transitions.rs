//! Table `transitions`: every state that a job was in.

use super::engine::{Transacting, on_connection, on_read};
use super::{Store, StoreError};

/// The job is locked by whoever adds to its history, so the next number is free.
const INSERT: &str = "insert into transitions (job, number, state, at_us, attempt, why) \
     values ($1, (select coalesce(max(number), 0) + 1 from transitions where job = $1), $2, $3, $4, $5)";

const OF_JOB: &str =
    "select state, at_us, attempt, why from transitions where job = $1 order by number";

/// A job came into a state.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct TransitionRow {
    pub(crate) state: String,
    pub(crate) at_us: i64,
    /// The number of the attempt that it belongs to, 0 before the first.
    pub(crate) attempt: i64,
    pub(crate) why: String,
}

/// Adds to the history of a job that is locked or new.
pub(crate) async fn insert(
    transaction: &mut Transacting,
    job: i64,
    transition: &TransitionRow,
) -> Result<(), StoreError> {
    on_connection!(transaction, connection => {
        sqlx::query(INSERT)
            .bind(job)
            .bind(transition.state.as_str())
            .bind(transition.at_us)
            .bind(transition.attempt)
            .bind(transition.why.as_str())
            .execute(connection)
            .await?;
    });
    Ok(())
}

/// The history of a job.
pub(crate) async fn of_job(store: &Store, job: i64) -> Result<Vec<TransitionRow>, StoreError> {
    let rows = on_read!(store, pool => {
        sqlx::query_as(OF_JOB).bind(job).fetch_all(pool).await
    })?;
    Ok(rows)
}
