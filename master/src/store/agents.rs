//! Table `agents`: who asks for jobs.

use super::engine::{Transacting, on_connection, on_read};
use super::{Store, StoreError};

const PUT: &str = "insert into agents (name, project, labels, slots, version, seen_us) \
     values ($1, $2, $3, $4, $5, $6) on conflict (name) do update set project = excluded.project, \
     labels = excluded.labels, slots = excluded.slots, version = excluded.version, \
     seen_us = excluded.seen_us";

const SEE: &str = "update agents set seen_us = $2 where name = $1 and seen_us < $2";

const LIST: &str =
    "select name, project, labels, slots, version, seen_us from agents order by name";

const SEEN_SINCE: &str = "select name, project, labels, slots, version, seen_us from agents \
     where seen_us > $1 order by name";

const FORGET: &str = "delete from agents where seen_us < $1";

/// An agent as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct AgentRow {
    pub(crate) name: String,
    /// The only project that it may have jobs of.
    pub(crate) project: Option<String>,
    /// A JSON object of texts.
    pub(crate) labels: String,
    pub(crate) slots: i64,
    pub(crate) version: String,
    pub(crate) seen_us: i64,
}

/// Adds an agent or changes it.
pub(crate) async fn put(transaction: &mut Transacting, agent: &AgentRow) -> Result<(), StoreError> {
    on_connection!(transaction, connection => {
        sqlx::query(PUT)
            .bind(agent.name.as_str())
            .bind(agent.project.as_deref())
            .bind(agent.labels.as_str())
            .bind(agent.slots)
            .bind(agent.version.as_str())
            .bind(agent.seen_us)
            .execute(connection)
            .await?;
    });
    Ok(())
}

/// An agent was heard, if it is one that is known.
pub(crate) async fn see(
    transaction: &mut Transacting,
    name: &str,
    seen_us: i64,
) -> Result<(), StoreError> {
    on_connection!(transaction, connection => {
        sqlx::query(SEE).bind(name).bind(seen_us).execute(connection).await?;
    });
    Ok(())
}

/// Every agent, by name.
pub(crate) async fn list(store: &Store) -> Result<Vec<AgentRow>, StoreError> {
    Ok(on_read!(store, pool => sqlx::query_as(LIST).fetch_all(pool).await)?)
}

/// Agents that were heard after a moment, by name.
pub(crate) async fn seen_since(store: &Store, since_us: i64) -> Result<Vec<AgentRow>, StoreError> {
    let rows = on_read!(store, pool => {
        sqlx::query_as(SEEN_SINCE).bind(since_us).fetch_all(pool).await
    })?;
    Ok(rows)
}

/// Forgets agents that were not heard since a moment.
pub(crate) async fn forget(
    transaction: &mut Transacting,
    before_us: i64,
) -> Result<(), StoreError> {
    on_connection!(transaction, connection => {
        sqlx::query(FORGET).bind(before_us).execute(connection).await?;
    });
    Ok(())
}
