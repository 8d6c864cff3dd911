//! Accounts: made, listed, changed and removed, by whoever can reach the database.

use chrono::{DateTime, Utc};

use super::audit;
use super::error::AccessError;
use super::granted::{Granted, read_scopes};
use super::passwords;
use super::tokens::moment;
use crate::store::accounts::{AccountRow, NewAccountRow};
use crate::store::{Store, StoreError, accounts, sessions, tokens};

/// Accounts that are listed.
const ACCOUNTS_LISTED_MAX: u32 = 10_000;

/// An account, without its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// What it may do.
    pub granted: Granted,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// Makes an account. `by` is who does it.
pub async fn create(
    store: &Store,
    granted: &Granted,
    password: &str,
    by: &str,
) -> Result<(), AccessError> {
    granted.check()?;
    passwords::check(password)?;
    let hashed = passwords::hashed(password)?;
    let mut transaction = store.pools().begin().await?;
    let taken = || AccessError::NameTaken(granted.name.clone());
    if tokens::is_named(&mut transaction, &granted.name).await? {
        return Err(taken());
    }
    let row = NewAccountRow {
        name: &granted.name,
        password: &hashed,
        scopes: &granted.scope_words(),
        project: granted.project.as_deref(),
        created_us: Utc::now().timestamp_micros(),
    };
    accounts::insert(&mut transaction, &row)
        .await?
        .ok_or_else(taken)?;
    audit::command(&mut transaction, by, "account create", &granted.name).await?;
    transaction.commit().await?;
    Ok(())
}

/// Gives an account another password, and ends its sessions.
pub async fn set_password(
    store: &Store,
    name: &str,
    password: &str,
    by: &str,
) -> Result<(), AccessError> {
    passwords::check(password)?;
    let hashed = passwords::hashed(password)?;
    let mut transaction = store.pools().begin().await?;
    let account = accounts::set_password(&mut transaction, name, &hashed).await?;
    let account = account.ok_or_else(|| AccessError::NoAccount(name.to_owned()))?;
    sessions::remove_of_account(&mut transaction, account).await?;
    audit::command(&mut transaction, by, "account password", name).await?;
    transaction.commit().await?;
    Ok(())
}

/// Removes an account, and ends its sessions.
pub async fn remove(store: &Store, name: &str, by: &str) -> Result<(), AccessError> {
    let mut transaction = store.pools().begin().await?;
    if !accounts::remove(&mut transaction, name).await? {
        return Err(AccessError::NoAccount(name.to_owned()));
    }
    audit::command(&mut transaction, by, "account remove", name).await?;
    transaction.commit().await?;
    Ok(())
}

/// Whether there is an account of this name.
pub async fn is_there(store: &Store, name: &str) -> Result<bool, AccessError> {
    Ok(accounts::by_name(store, name).await?.is_some())
}

/// Accounts by name.
pub async fn list(store: &Store) -> Result<Vec<Account>, AccessError> {
    let rows = accounts::list(store, ACCOUNTS_LISTED_MAX).await?;
    let accounts: Result<Vec<_>, StoreError> = rows.into_iter().map(account).collect();
    Ok(accounts?)
}

fn account(row: AccountRow) -> Result<Account, StoreError> {
    Ok(Account {
        granted: Granted {
            scopes: read_scopes(&row.scopes)?,
            name: row.name,
            project: row.project,
        },
        created_at: moment(row.created_us)?,
    })
}
