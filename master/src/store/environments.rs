//! Table `environments`: what only so many jobs may use at a time.

use super::engine::{Transacting, on_connection, on_read};
use super::{Store, StoreError};

/// An update that changes nothing locks the row on either engine until the transaction ends.
const LOCK: &str = "update environments set capacity = capacity where name = $1 returning capacity";

const PUT: &str = "insert into environments (name, description, capacity) values ($1, $2, $3) \
     on conflict (name) do update set description = excluded.description, capacity = excluded.capacity";

const LIST: &str = "select name, description, capacity from environments";

const BY_NAME: &str = "select name, description, capacity from environments where name = $1";

const DELETE: &str = "delete from environments where name = $1";

/// An environment as it is stored.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct EnvironmentRow {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) capacity: i64,
}

/// Keeps others from queueing jobs for an environment and from handing them out until the transaction
/// ends; answers its capacity, `None` when it is not there.
pub(crate) async fn lock(
    transaction: &mut Transacting,
    name: &str,
) -> Result<Option<i64>, StoreError> {
    let capacity = on_connection!(transaction, connection => {
        sqlx::query_scalar(LOCK).bind(name).fetch_optional(connection).await
    })?;
    Ok(capacity)
}

/// Adds or changes an environment.
pub(crate) async fn put(
    transaction: &mut Transacting,
    environment: &EnvironmentRow,
) -> Result<(), StoreError> {
    on_connection!(transaction, connection => {
        sqlx::query(PUT)
            .bind(environment.name.as_str())
            .bind(environment.description.as_str())
            .bind(environment.capacity)
            .execute(connection)
            .await?;
    });
    Ok(())
}

/// Deletes an environment.
pub(crate) async fn delete(transaction: &mut Transacting, name: &str) -> Result<(), StoreError> {
    on_connection!(transaction, connection => {
        sqlx::query(DELETE).bind(name).execute(connection).await?;
    });
    Ok(())
}

/// Every environment, in no order.
pub(crate) async fn list(store: &Store) -> Result<Vec<EnvironmentRow>, StoreError> {
    Ok(on_read!(store, pool => sqlx::query_as(LIST).fetch_all(pool).await)?)
}

/// One environment.
pub(crate) async fn get(store: &Store, name: &str) -> Result<Option<EnvironmentRow>, StoreError> {
    let row = on_read!(store, pool => {
        sqlx::query_as(BY_NAME).bind(name).fetch_optional(pool).await
    })?;
    Ok(row)
}
