//! Table `tokens`: secrets that open the master for programs.

use super::engine::{Transacting, on_connection, on_read};
use super::{Store, StoreError};

const INSERT: &str = "insert into tokens (name, hash, scopes, project, created_us, expires_us) \
     values ($1, $2, $3, $4, $5, $6) on conflict do nothing returning id";

const BY_ID: &str = "select id, name, hash, scopes, project, created_us, expires_us, revoked_us, \
     used_us from tokens where id = $1";

const ALL: &str = "select id, name, hash, scopes, project, created_us, expires_us, revoked_us, \
     used_us from tokens order by id desc limit $1";

const REVOKE: &str = "update tokens set revoked_us = $2 where name = $1 and revoked_us is null";

const USED: &str =
    "update tokens set used_us = $2 where id = $1 and (used_us is null or used_us < $2)";

const IS_NAMED: &str = "select 1 from tokens where name = $1 and revoked_us is null";

const ANY: &str = "select 1 where exists (select 1 from tokens where revoked_us is null) \
     or exists (select 1 from accounts)";

/// A token to be stored.
#[derive(Debug)]
pub(crate) struct NewTokenRow<'a> {
    pub(crate) name: &'a str,
    pub(crate) hash: &'a [u8],
    pub(crate) scopes: &'a str,
    pub(crate) project: Option<&'a str>,
    pub(crate) created_us: i64,
    pub(crate) expires_us: Option<i64>,
}

/// A token as it is stored.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct TokenRow {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) hash: Vec<u8>,
    pub(crate) scopes: String,
    pub(crate) project: Option<String>,
    pub(crate) created_us: i64,
    pub(crate) expires_us: Option<i64>,
    pub(crate) revoked_us: Option<i64>,
    pub(crate) used_us: Option<i64>,
}

/// Adds a token; answers its id, `None` when the name is taken.
pub(crate) async fn insert(
    transaction: &mut Transacting,
    token: &NewTokenRow<'_>,
) -> Result<Option<i64>, StoreError> {
    let id = on_connection!(transaction, connection => {
        sqlx::query_scalar(INSERT)
            .bind(token.name)
            .bind(token.hash)
            .bind(token.scopes)
            .bind(token.project)
            .bind(token.created_us)
            .bind(token.expires_us)
            .fetch_optional(connection)
            .await
    })?;
    Ok(id)
}

/// The token with this id.
pub(crate) async fn get(store: &Store, id: i64) -> Result<Option<TokenRow>, StoreError> {
    let row = on_read!(store, pool => {
        sqlx::query_as(BY_ID).bind(id).fetch_optional(pool).await
    })?;
    Ok(row)
}

/// Tokens, the newest first, revoked ones included.
pub(crate) async fn list(store: &Store, limit: u32) -> Result<Vec<TokenRow>, StoreError> {
    let rows = on_read!(store, pool => {
        sqlx::query_as(ALL).bind(i64::from(limit)).fetch_all(pool).await
    })?;
    Ok(rows)
}

/// Takes a token out of use; answers whether there was one of this name.
pub(crate) async fn revoke(
    transaction: &mut Transacting,
    name: &str,
    revoked_us: i64,
) -> Result<bool, StoreError> {
    let revoked = on_connection!(transaction, connection => {
        sqlx::query(REVOKE).bind(name).bind(revoked_us).execute(connection).await?.rows_affected()
    });
    Ok(revoked > 0)
}

/// A token was used.
pub(crate) async fn used(
    transaction: &mut Transacting,
    id: i64,
    used_us: i64,
) -> Result<(), StoreError> {
    on_connection!(transaction, connection => {
        sqlx::query(USED).bind(id).bind(used_us).execute(connection).await?;
    });
    Ok(())
}

/// Whether a token that is not revoked has this name.
pub(crate) async fn is_named(
    transaction: &mut Transacting,
    name: &str,
) -> Result<bool, StoreError> {
    let found: Option<i32> = on_connection!(transaction, connection => {
        sqlx::query_scalar(IS_NAMED).bind(name).fetch_optional(connection).await
    })?;
    Ok(found.is_some())
}

/// Whether there is any token that is not revoked, or any account.
pub(crate) async fn any_or_account(store: &Store) -> Result<bool, StoreError> {
    let found: Option<i32> =
        on_read!(store, pool => sqlx::query_scalar(ANY).fetch_optional(pool).await)?;
    Ok(found.is_some())
}
