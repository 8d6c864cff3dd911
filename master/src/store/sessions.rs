//! Table `sessions`: what came of logins.

use super::engine::{Transacting, on_connection, on_read};
use super::{Store, StoreError};

const INSERT: &str = "insert into sessions (family, account, access_hash, access_until_us, \
     refresh_hash, refresh_until_us, refreshed) values ($1, $2, $3, $4, $5, $6, 0)";

const BY_ACCESS: &str = "select s.family, s.access_until_us as until_us, a.name, a.scopes, a.project \
     from sessions s join accounts a on a.id = s.account where s.access_hash = $1";

/// Whoever sets the mark may go on; for anybody else it is the second use.
const USE_REFRESH: &str = "update sessions set refreshed = 1 \
     where refresh_hash = $1 and refreshed = 0 and refresh_until_us > $2 \
     returning family, account, refresh_until_us";

const BY_REFRESH: &str = "select family, account, refresh_until_us from sessions \
     where refresh_hash = $1";

const REMOVE_FAMILY: &str = "delete from sessions where family = $1";

const REMOVE_OF_ACCOUNT: &str = "delete from sessions where account = $1";

const REMOVE_ENDED: &str = "delete from sessions where refresh_until_us < $1";

const REMOVE_BEYOND: &str = "delete from sessions where account = $1 and id <= \
     (select id from sessions where account = $1 order by id desc limit 1 offset $2)";

/// A session to be stored.
#[derive(Debug)]
pub(crate) struct NewSessionRow<'a> {
    pub(crate) family: &'a str,
    pub(crate) account: i64,
    pub(crate) access_hash: &'a [u8],
    pub(crate) access_until_us: i64,
    pub(crate) refresh_hash: &'a [u8],
    pub(crate) refresh_until_us: i64,
}

/// Whom an access token belongs to.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct SessionRow {
    pub(crate) family: String,
    pub(crate) until_us: i64,
    pub(crate) name: String,
    pub(crate) scopes: String,
    pub(crate) project: Option<String>,
}

/// A refresh token.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct RefreshRow {
    pub(crate) family: String,
    pub(crate) account: i64,
    pub(crate) refresh_until_us: i64,
}

/// Adds a session.
pub(crate) async fn insert(
    transaction: &mut Transacting,
    session: &NewSessionRow<'_>,
) -> Result<(), StoreError> {
    on_connection!(transaction, connection => {
        sqlx::query(INSERT)
            .bind(session.family)
            .bind(session.account)
            .bind(session.access_hash)
            .bind(session.access_until_us)
            .bind(session.refresh_hash)
            .bind(session.refresh_until_us)
            .execute(connection)
            .await?;
    });
    Ok(())
}

/// The session with this access token, ended or not.
pub(crate) async fn by_access(
    store: &Store,
    access_hash: &[u8],
) -> Result<Option<SessionRow>, StoreError> {
    let row = on_read!(store, pool => {
        sqlx::query_as(BY_ACCESS).bind(access_hash).fetch_optional(pool).await
    })?;
    Ok(row)
}

/// Uses a refresh token up; `None` when it was used before, ended, or never was.
pub(crate) async fn use_refresh(
    transaction: &mut Transacting,
    refresh_hash: &[u8],
    now_us: i64,
) -> Result<Option<RefreshRow>, StoreError> {
    let row = on_connection!(transaction, connection => {
        sqlx::query_as(USE_REFRESH)
            .bind(refresh_hash)
            .bind(now_us)
            .fetch_optional(connection)
            .await
    })?;
    Ok(row)
}

/// The session with this refresh token, used or not.
pub(crate) async fn by_refresh(
    transaction: &mut Transacting,
    refresh_hash: &[u8],
) -> Result<Option<RefreshRow>, StoreError> {
    let row = on_connection!(transaction, connection => {
        sqlx::query_as(BY_REFRESH).bind(refresh_hash).fetch_optional(connection).await
    })?;
    Ok(row)
}

/// Ends all that came of one login.
pub(crate) async fn remove_family(
    transaction: &mut Transacting,
    family: &str,
) -> Result<(), StoreError> {
    on_connection!(transaction, connection => {
        sqlx::query(REMOVE_FAMILY).bind(family).execute(connection).await?;
    });
    Ok(())
}

/// Ends all sessions of an account.
pub(crate) async fn remove_of_account(
    transaction: &mut Transacting,
    account: i64,
) -> Result<(), StoreError> {
    on_connection!(transaction, connection => {
        sqlx::query(REMOVE_OF_ACCOUNT).bind(account).execute(connection).await?;
    });
    Ok(())
}

/// Forgets what ended before a moment, and the oldest sessions of an account beyond a number.
pub(crate) async fn tidy(
    transaction: &mut Transacting,
    account: i64,
    before_us: i64,
    sessions_max: i64,
) -> Result<(), StoreError> {
    on_connection!(transaction, connection => {
        sqlx::query(REMOVE_ENDED).bind(before_us).execute(&mut *connection).await?;
        sqlx::query(REMOVE_BEYOND)
            .bind(account)
            .bind(sessions_max)
            .execute(connection)
            .await?;
    });
    Ok(())
}
