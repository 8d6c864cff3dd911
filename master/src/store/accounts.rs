//! Table `accounts`: names with passwords, for people and for the login of existing clients.

use super::engine::{Transacting, on_connection, on_read};
use super::{Store, StoreError};

const INSERT: &str = "insert into accounts (name, password, scopes, project, created_us) \
     values ($1, $2, $3, $4, $5) on conflict (name) do nothing returning id";

const BY_NAME: &str = "select id, name, password, scopes, project, created_us \
     from accounts where name = $1";

const ALL: &str = "select id, name, password, scopes, project, created_us \
     from accounts order by name limit $1";

const IS_NAMED: &str = "select 1 from accounts where name = $1";

const SET_PASSWORD: &str = "update accounts set password = $2 where name = $1 returning id";

const REMOVE: &str = "delete from accounts where name = $1";

/// An update that changes nothing locks the row on either engine until the transaction ends.
const LOCK: &str = "update accounts set created_us = created_us where id = $1 \
     returning id, name, password, scopes, project, created_us";

/// An account as it is stored, without the id it gets.
#[derive(Debug)]
pub(crate) struct NewAccountRow<'a> {
    pub(crate) name: &'a str,
    /// What Argon2 made of the password, with its parameters.
    pub(crate) password: &'a str,
    pub(crate) scopes: &'a str,
    pub(crate) project: Option<&'a str>,
    pub(crate) created_us: i64,
}

/// An account as it is stored.
#[derive(Clone, sqlx::FromRow)]
pub(crate) struct AccountRow {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) password: String,
    pub(crate) scopes: String,
    pub(crate) project: Option<String>,
    pub(crate) created_us: i64,
}

/// Adds an account; answers its id, `None` when the name is taken.
pub(crate) async fn insert(
    transaction: &mut Transacting,
    account: &NewAccountRow<'_>,
) -> Result<Option<i64>, StoreError> {
    let id = on_connection!(transaction, connection => {
        sqlx::query_scalar(INSERT)
            .bind(account.name)
            .bind(account.password)
            .bind(account.scopes)
            .bind(account.project)
            .bind(account.created_us)
            .fetch_optional(connection)
            .await
    })?;
    Ok(id)
}

/// The account of this name.
pub(crate) async fn by_name(store: &Store, name: &str) -> Result<Option<AccountRow>, StoreError> {
    let row = on_read!(store, pool => {
        sqlx::query_as(BY_NAME).bind(name).fetch_optional(pool).await
    })?;
    Ok(row)
}

/// Accounts by name.
pub(crate) async fn list(store: &Store, limit: u32) -> Result<Vec<AccountRow>, StoreError> {
    let rows = on_read!(store, pool => {
        sqlx::query_as(ALL).bind(i64::from(limit)).fetch_all(pool).await
    })?;
    Ok(rows)
}

/// Whether there is an account of this name.
pub(crate) async fn is_named(
    transaction: &mut Transacting,
    name: &str,
) -> Result<bool, StoreError> {
    let found: Option<i32> = on_connection!(transaction, connection => {
        sqlx::query_scalar(IS_NAMED).bind(name).fetch_optional(connection).await
    })?;
    Ok(found.is_some())
}

/// Replaces a password; answers the id of the account, `None` when there is none of this name.
pub(crate) async fn set_password(
    transaction: &mut Transacting,
    name: &str,
    password: &str,
) -> Result<Option<i64>, StoreError> {
    let id = on_connection!(transaction, connection => {
        sqlx::query_scalar(SET_PASSWORD)
            .bind(name)
            .bind(password)
            .fetch_optional(connection)
            .await
    })?;
    Ok(id)
}

/// Removes an account with its sessions; answers whether there was one of this name.
pub(crate) async fn remove(transaction: &mut Transacting, name: &str) -> Result<bool, StoreError> {
    let removed = on_connection!(transaction, connection => {
        sqlx::query(REMOVE).bind(name).execute(connection).await?.rows_affected()
    });
    Ok(removed > 0)
}

/// Reads an account and keeps others from changing it until the transaction ends.
pub(crate) async fn lock(
    transaction: &mut Transacting,
    id: i64,
) -> Result<Option<AccountRow>, StoreError> {
    let row = on_connection!(transaction, connection => {
        sqlx::query_as(LOCK).bind(id).fetch_optional(connection).await
    })?;
    Ok(row)
}
