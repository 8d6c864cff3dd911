//! The gate: whether the master asks who comes, and who it is.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use quick_cache::sync::Cache;
use shared::access::AuditEntry;
use tokio::time::Instant;

use super::audit::{self, AuditTask, Notes};
use super::caller::Caller;
use super::error::{AccessError, Refused};
use super::failures::Failures;
use super::granted::read_scopes;
use super::passwords::Passwords;
use super::secret::{Presented, Secret};
use crate::store::tokens::TokenRow;
use crate::store::{Store, StoreError, sessions, tokens};

/// For how long something read from the database is believed. A token that was revoked, here or by
/// another program, is of no use after that; the first token closes the master within it.
const BELIEVED: Duration = Duration::from_secs(1);

/// What was presented lately, good or bad.
const REMEMBERED_MAX: usize = 4_096;

/// How often the last use of a token is noted at most, in microseconds: once a minute.
const USED_NOTED_EVERY_US: i64 = 60_000_000;

/// Knows tokens and accounts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Access {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) store: Store,
    /// Whether everybody is asked even when there is neither a token nor an account.
    always: bool,
    known: Mutex<Option<(Instant, bool)>>,
    /// One look at a time.
    looking: tokio::sync::Mutex<()>,
    remembered: Cache<[u8; 32], Remembered>,
    pub(super) passwords: Passwords,
    pub(super) failures: Failures,
    notes: Notes,
}

/// What became of something presented, by its hash.
#[derive(Debug, Clone)]
struct Remembered {
    since: Instant,
    answer: Result<Arc<Caller>, Refused>,
}

impl Access {
    /// Those of a store. `always` asks everybody even when there is nobody who could answer: for a
    /// master that others can reach. [`AuditTask::finish`] ends the audit log.
    pub fn start(store: Store, always: bool) -> (Self, AuditTask) {
        let (notes, task) = audit::start(store.clone());
        let inner = Inner {
            store,
            always,
            known: Mutex::default(),
            looking: tokio::sync::Mutex::default(),
            remembered: Cache::new(REMEMBERED_MAX),
            passwords: Passwords::default(),
            failures: Failures::default(),
            notes,
        };
        let access = Self {
            inner: Arc::new(inner),
        };
        (access, task)
    }

    /// Whether everybody is asked who he is: as soon as one token or account exists. Asks the
    /// database at most once a second.
    pub async fn is_on(&self) -> Result<bool, StoreError> {
        let inner = &self.inner;
        if inner.always {
            return Ok(true);
        }
        if let Some(is_on) = inner.known() {
            return Ok(is_on);
        }
        let _alone = inner.looking.lock().await;
        if let Some(is_on) = inner.known() {
            return Ok(is_on);
        }
        let begun = Instant::now();
        let is_on = tokens::any_or_account(&inner.store).await?;
        *inner.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((begun, is_on));
        Ok(is_on)
    }

    /// Who presents this. Asks the database at most once a second for the same.
    pub async fn recognise(&self, presented: &str) -> Result<Arc<Caller>, AccessError> {
        let key = *blake3::hash(presented.as_bytes()).as_bytes();
        if let Some(remembered) = self.inner.remembered.get(&key)
            && remembered.since.elapsed() < BELIEVED
        {
            return Ok(remembered.answer?);
        }
        let since = Instant::now();
        let answer = match self.look_up(presented).await {
            Ok(caller) => Ok(Arc::new(caller)),
            Err(AccessError::Refused(refused)) => Err(refused),
            Err(error) => return Err(error),
        };
        let remembered = Remembered {
            since,
            answer: answer.clone(),
        };
        self.inner.remembered.insert(key, remembered);
        Ok(answer?)
    }

    async fn look_up(&self, presented: &str) -> Result<Caller, AccessError> {
        match presented.parse() {
            Ok(Presented::Token { id, secret }) => self.token(id, &secret).await,
            Ok(Presented::Access(secret)) => self.session(&secret).await,
            _ => Err(Refused::Unknown.into()),
        }
    }

    async fn token(&self, id: i64, secret: &Secret) -> Result<Caller, AccessError> {
        let row = tokens::get(&self.inner.store, id).await?;
        let Some(row) = row.filter(|row| secret.hash().is(&row.hash)) else {
            return Err(Refused::Unknown.into());
        };
        let now_us = Utc::now().timestamp_micros();
        check_token(&row, now_us)?;
        if row
            .used_us
            .is_none_or(|used| now_us - used >= USED_NOTED_EVERY_US)
        {
            self.inner.notes.token_used(row.id, now_us);
        }
        Ok(Caller {
            scopes: read_scopes(&row.scopes)?,
            name: row.name,
            project: row.project,
        })
    }

    async fn session(&self, secret: &Secret) -> Result<Caller, AccessError> {
        let row = sessions::by_access(&self.inner.store, secret.hash().bytes()).await?;
        let row = row.ok_or(Refused::Unknown)?;
        if row.until_us <= Utc::now().timestamp_micros() {
            return Err(Refused::SessionExpired.into());
        }
        Ok(Caller {
            scopes: read_scopes(&row.scopes)?,
            name: row.name,
            project: row.project,
        })
    }

    /// Forgets what is believed about something presented.
    pub(super) fn forget(&self, presented: &str) {
        let key = *blake3::hash(presented.as_bytes()).as_bytes();
        self.inner.remembered.remove(&key);
    }

    /// Takes down who did what.
    pub async fn note(&self, entry: AuditEntry) {
        self.inner.notes.done(entry).await;
    }

    /// The same where nobody can wait.
    pub fn note_at_once(&self, entry: AuditEntry) {
        self.inner.notes.done_at_once(entry);
    }

    /// A login is tried: refused when too many failed.
    pub(super) fn count_login(
        &self,
        account: &str,
        address: Option<IpAddr>,
    ) -> Result<(), AccessError> {
        let counted = self.inner.failures.count(account, address, Instant::now());
        counted.map_err(AccessError::TooManyFailures)
    }

    /// The store, for questions about access.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }
}

impl Inner {
    fn known(&self) -> Option<bool> {
        let known = *self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let believed = |(since, _): &(Instant, bool)| since.elapsed() < BELIEVED;
        known.filter(believed).map(|(_, is_on)| is_on)
    }
}

/// Refuses a token that was taken out of use, or whose time is over.
fn check_token(row: &TokenRow, now_us: i64) -> Result<(), Refused> {
    if row.revoked_us.is_some() {
        return Err(Refused::Revoked(row.name.clone()));
    }
    match row.expires_us {
        Some(expires_us) if expires_us <= now_us => Err(Refused::Expired {
            name: row.name.clone(),
            on: DateTime::from_timestamp_micros(expires_us).map_or_else(String::new, |moment| {
                moment.to_rfc3339_opts(SecondsFormat::Secs, true)
            }),
        }),
        _ => Ok(()),
    }
}
