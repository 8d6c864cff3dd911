//! Logins: an access token for a quarter of an hour, and a refresh token that can be used once.

use std::net::IpAddr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use shared::access::{LoggedIn, Login};
use shared::limits::{PASSWORD_BYTES_MAX, SHORT_NAME_BYTES_MAX};
use shared::validate::Invalid;

use super::error::AccessError;
use super::gate::Access;
use super::secret::{Presented, Secret};
use crate::store::sessions::NewSessionRow;
use crate::store::{Store, StoreError, accounts, sessions};

/// How long an access token lives.
pub const ACCESS_LIVES: Duration = Duration::from_mins(15);

/// How long a refresh token lives.
pub const REFRESH_LIVES: Duration = Duration::from_hours(30 * 24);

/// Sessions of one account; the oldest are ended beyond that.
const ACCOUNT_SESSIONS_MAX: i64 = 1_000;

impl Access {
    /// Logs in. Wrong names and wrong passwords cost the same, and too many of them have to wait.
    pub async fn login(
        &self,
        login: Login,
        address: Option<IpAddr>,
    ) -> Result<LoggedIn, AccessError> {
        check_login(&login)?;
        let Login { username, password } = login;
        self.count_login(&username, address)?;
        let account = accounts::by_name(self.store(), &username).await?;
        let stored = account.as_ref().map(|account| account.password.clone());
        let is_right = self.inner.passwords.is(password, stored).await;
        if matches!(is_right, Err(AccessError::Busy)) {
            // Nothing was learnt about the password.
            self.inner.failures.give_back(&username, address);
        }
        let Some(account) = account.filter(|_| matches!(is_right, Ok(true))) else {
            return Err(is_right.err().unwrap_or(AccessError::LoginFailed));
        };
        self.inner.failures.take_back(&username, address);
        let store = self.store().clone();
        // Done to its end also when the client has gone.
        let opening = tokio::spawn(async move {
            let mut transaction = store.pools().begin().await?;
            let now = Utc::now();
            let locked = accounts::lock(&mut transaction, account.id).await?;
            // Its password may have been changed while this one was compared.
            if locked.is_none_or(|locked| locked.password != account.password) {
                return Err(AccessError::LoginFailed);
            }
            let ended_us = now.timestamp_micros();
            sessions::tidy(&mut transaction, account.id, ended_us, ACCOUNT_SESSIONS_MAX).await?;
            let opened = Opened::new(account.id, uuid::Uuid::now_v7().to_string())?;
            opened.insert(&mut transaction, now).await?;
            transaction.commit().await?;
            Ok(opened.answer())
        });
        joined(opening.await)
    }

    /// Gives other tokens for a refresh token. One that is used a second time was stolen, or lost on
    /// its way: all that came of that login ends.
    pub async fn refresh(&self, refresh_token: &str) -> Result<LoggedIn, AccessError> {
        let Ok(Presented::Refresh(secret)) = refresh_token.parse() else {
            return Err(AccessError::RefreshFailed);
        };
        let store = self.store().clone();
        joined(tokio::spawn(async move { refresh(&store, &secret).await }).await)
    }

    /// Ends all that came of the login that this access token belongs to.
    pub async fn logout(&self, access_token: &str) -> Result<(), AccessError> {
        let Ok(Presented::Access(secret)) = access_token.parse() else {
            return Err(AccessError::NoLogin);
        };
        let row = sessions::by_access(self.store(), secret.hash().bytes()).await?;
        let Some(row) = row else {
            return Ok(());
        };
        let store = self.store().clone();
        let ending = tokio::spawn(async move {
            let mut transaction = store.pools().begin().await?;
            sessions::remove_family(&mut transaction, &row.family).await?;
            transaction.commit().await?;
            Ok(())
        });
        joined(ending.await)?;
        self.forget(access_token);
        Ok(())
    }
}

fn joined<T>(
    outcome: Result<Result<T, AccessError>, tokio::task::JoinError>,
) -> Result<T, AccessError> {
    outcome.map_err(|panic| AccessError::Failed(panic.to_string()))?
}

async fn refresh(store: &Store, secret: &Secret) -> Result<LoggedIn, AccessError> {
    let hash = secret.hash();
    let mut transaction = store.pools().begin().await?;
    let known = sessions::by_refresh(&mut transaction, hash.bytes()).await?;
    let known = known.ok_or(AccessError::RefreshFailed)?;
    // Whoever changes the password or removes the account waits, or has done so before.
    accounts::lock(&mut transaction, known.account).await?;
    let now = Utc::now();
    let now_us = now.timestamp_micros();
    let used = sessions::use_refresh(&mut transaction, hash.bytes(), now_us).await?;
    let Some(used) = used else {
        if known.refresh_until_us > now_us {
            sessions::remove_family(&mut transaction, &known.family).await?;
            transaction.commit().await?;
        }
        return Err(AccessError::RefreshFailed);
    };
    let opened = Opened::new(used.account, used.family)?;
    opened.insert(&mut transaction, now).await?;
    transaction.commit().await?;
    Ok(opened.answer())
}

/// A session that begins.
struct Opened {
    account: i64,
    family: String,
    access: Secret,
    refresh: Secret,
}

impl Opened {
    fn new(account: i64, family: String) -> Result<Self, AccessError> {
        Ok(Self {
            account,
            family,
            access: Secret::new()?,
            refresh: Secret::new()?,
        })
    }

    async fn insert(
        &self,
        transaction: &mut crate::store::engine::Transacting,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let (access, refresh) = (self.access.hash(), self.refresh.hash());
        let row = NewSessionRow {
            family: &self.family,
            account: self.account,
            access_hash: access.bytes(),
            access_until_us: (now + ACCESS_LIVES).timestamp_micros(),
            refresh_hash: refresh.bytes(),
            refresh_until_us: (now + REFRESH_LIVES).timestamp_micros(),
        };
        sessions::insert(transaction, &row).await
    }

    fn answer(self) -> LoggedIn {
        LoggedIn {
            r#type: "Bearer".to_owned(),
            access_token: Presented::Access(self.access).text(),
            refresh_token: Presented::Refresh(self.refresh).text(),
        }
    }
}

/// Too long to be anybody's, and not worth a hash.
fn check_login(login: &Login) -> Result<(), Invalid> {
    if login.username.len() > SHORT_NAME_BYTES_MAX || login.username.contains('\0') {
        let reason = format!("must have at most {SHORT_NAME_BYTES_MAX} bytes, none of them 0");
        return Err(Invalid::new("username", reason));
    }
    if login.password.len() > PASSWORD_BYTES_MAX {
        let reason = format!("must have at most {PASSWORD_BYTES_MAX} bytes");
        return Err(Invalid::new("password", reason));
    }
    Ok(())
}
