//! Tokens: made, listed and revoked, by whoever can reach the database.

use chrono::{DateTime, Utc};

use super::audit;
use super::error::AccessError;
use super::granted::{Granted, read_scopes};
use super::secret::{Presented, Secret};
use crate::store::tokens::{NewTokenRow, TokenRow};
use crate::store::{Store, StoreError, accounts, tokens};

/// Tokens that are listed, the newest ones.
pub const TOKENS_LISTED_MAX: u32 = 10_000;

/// A token, without its secret, which nobody knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it may do.
    pub granted: Granted,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it expires.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was taken out of use.
    pub revoked_at: Option<DateTime<Utc>>,
    /// When it was used last, to the minute.
    pub used_at: Option<DateTime<Utc>>,
}

/// Makes a token and answers it. It cannot be shown again. `by` is who does it.
pub async fn create(
    store: &Store,
    granted: &Granted,
    expires_at: Option<DateTime<Utc>>,
    by: &str,
) -> Result<String, AccessError> {
    granted.check()?;
    let secret = Secret::new()?;
    let hash = secret.hash();
    let mut transaction = store.pools().begin().await?;
    let taken = || AccessError::NameTaken(granted.name.clone());
    if accounts::is_named(&mut transaction, &granted.name).await? {
        return Err(taken());
    }
    let row = NewTokenRow {
        name: &granted.name,
        hash: hash.bytes(),
        scopes: &granted.scope_words(),
        project: granted.project.as_deref(),
        created_us: Utc::now().timestamp_micros(),
        expires_us: expires_at.map(|moment| moment.timestamp_micros()),
    };
    let id = tokens::insert(&mut transaction, &row).await?;
    let id = id.ok_or_else(taken)?;
    audit::command(&mut transaction, by, "token create", &granted.name).await?;
    transaction.commit().await?;
    Ok(Presented::Token { id, secret }.text())
}

/// Takes a token out of use; masters know it within a second.
pub async fn revoke(store: &Store, name: &str, by: &str) -> Result<(), AccessError> {
    let mut transaction = store.pools().begin().await?;
    let now_us = Utc::now().timestamp_micros();
    if !tokens::revoke(&mut transaction, name, now_us).await? {
        return Err(AccessError::NoToken(name.to_owned()));
    }
    audit::command(&mut transaction, by, "token revoke", name).await?;
    transaction.commit().await?;
    Ok(())
}

/// Tokens, the newest first, revoked ones included.
pub async fn list(store: &Store) -> Result<Vec<Token>, AccessError> {
    let rows = tokens::list(store, TOKENS_LISTED_MAX).await?;
    let tokens: Result<Vec<_>, StoreError> = rows.into_iter().map(token).collect();
    Ok(tokens?)
}

/// Whether a master on this database asks for tokens: there is one that is not revoked, or an account.
pub async fn any_or_account(store: &Store) -> Result<bool, AccessError> {
    Ok(tokens::any_or_account(store).await?)
}

fn token(row: TokenRow) -> Result<Token, StoreError> {
    Ok(Token {
        granted: Granted {
            scopes: read_scopes(&row.scopes)?,
            name: row.name,
            project: row.project,
        },
        created_at: moment(row.created_us)?,
        expires_at: row.expires_us.map(moment).transpose()?,
        revoked_at: row.revoked_us.map(moment).transpose()?,
        used_at: row.used_us.map(moment).transpose()?,
    })
}

/// A moment out of microseconds since 1970.
pub(super) fn moment(microseconds: i64) -> Result<DateTime<Utc>, StoreError> {
    DateTime::from_timestamp_micros(microseconds)
        .ok_or_else(|| StoreError::damaged("time", format!("{microseconds} µs is no date")))
}
