//! Who did what: written down by a task of its own, so that no answer waits for it, and read back.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use shared::access::AuditEntry;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::tokens::moment;
use crate::store::audit::{AuditRow, NewAuditRow};
use crate::store::engine::Transacting;
use crate::store::{Store, StoreError, audit, tokens};

/// For how long entries are kept.
pub const AUDIT_KEPT: Duration = Duration::from_hours(400 * 24);

/// Entries that may wait to be written.
const WAITING_MAX: usize = 4_096;

/// How long an answer waits at most when so many entries do.
const PATIENCE: Duration = Duration::from_secs(1);

/// Entries in one transaction.
const WRITTEN_AT_ONCE: usize = 500;

/// Pause before entries that could not be written are tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// How long the last entries are tried once the master stops.
const FINISH_GRACE: Duration = Duration::from_secs(5);

/// How often old entries are looked for.
const FORGET_EVERY: Duration = Duration::from_hours(24);

/// Longest target that is written down, in bytes.
const TARGET_BYTES_MAX: usize = 1_000;

/// What is to be written down.
#[derive(Debug)]
enum Note {
    Done(NewAuditRow),
    TokenUsed {
        id: i64,
        at_us: i64,
    },
    /// Nothing comes after what waits now.
    Stop,
}

/// Takes down who did what. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Notes(mpsc::Sender<Note>);

/// The task that writes it down.
#[derive(Debug)]
pub struct AuditTask {
    task: JoinHandle<()>,
    notes: mpsc::Sender<Note>,
}

/// Starts to take down.
pub(super) fn start(store: Store) -> (Notes, AuditTask) {
    let (notes, waiting) = mpsc::channel(WAITING_MAX);
    let task = AuditTask {
        task: tokio::spawn(write_down(store, waiting)),
        notes: notes.clone(),
    };
    (Notes(notes), task)
}

impl Notes {
    /// Takes down an entry. Waits only when too many wait already; what cannot be written then is in the
    /// log.
    pub(super) async fn done(&self, entry: AuditEntry) {
        let row = row(&entry);
        let sent = timeout(PATIENCE, self.0.send(Note::Done(row))).await;
        Self::log_unless(matches!(sent, Ok(Ok(()))), entry);
    }

    /// The same where nobody can wait.
    pub(super) fn done_at_once(&self, entry: AuditEntry) {
        let sent = self.0.try_send(Note::Done(row(&entry)));
        Self::log_unless(sent.is_ok(), entry);
    }

    fn log_unless(is_sent: bool, entry: AuditEntry) {
        if !is_sent {
            let AuditEntry {
                who,
                action,
                target,
                status,
                address,
                request_id,
                ..
            } = entry;
            tracing::error!(
                who,
                action,
                target,
                status,
                address,
                request_id,
                "not in the audit log"
            );
        }
    }

    /// Takes down that a token was used. Not important enough to wait for.
    pub(super) fn token_used(&self, id: i64, at_us: i64) {
        let _ = self.0.try_send(Note::TokenUsed { id, at_us });
    }
}

impl AuditTask {
    /// Writes down what is left, in bounded time.
    pub async fn finish(self) {
        let Self { mut task, notes } = self;
        let ending = async {
            // When the task has ended already, it says so itself.
            let _ = notes.send(Note::Stop).await;
            (&mut task).await
        };
        match timeout(FINISH_GRACE, ending).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the audit log did not end well"),
            Err(_) => {
                tracing::error!("the database did not take the end of the audit log in time");
                task.abort();
                let _ = task.await;
            }
        }
    }
}

async fn write_down(store: Store, mut waiting: mpsc::Receiver<Note>) {
    let mut forgot: Option<Instant> = None;
    let mut notes = Vec::new();
    loop {
        if forgot.is_none_or(|forgot| forgot.elapsed() >= FORGET_EVERY) {
            forgot = Some(Instant::now());
            if let Err(error) = forget(&store).await {
                tracing::warn!(%error, "old entries of the audit log cannot be forgotten");
            }
        }
        let taken = timeout(FORGET_EVERY, waiting.recv_many(&mut notes, WRITTEN_AT_ONCE)).await;
        match taken {
            Err(_) => continue,
            Ok(0) => return,
            Ok(_) => {}
        }
        if notes.iter().any(|note| matches!(note, Note::Stop)) {
            // Whoever comes now is told that it is too late; what came before is written.
            waiting.close();
        }
        while let Err(error) = write(&store, &notes).await {
            tracing::warn!(%error, "the audit log cannot be written; tried again");
            tokio::time::sleep(PAUSE).await;
        }
        notes.clear();
    }
}

async fn write(store: &Store, notes: &[Note]) -> Result<(), StoreError> {
    let mut rows = Vec::new();
    let mut used = BTreeMap::new();
    for note in notes {
        match note {
            Note::Done(row) => rows.push(row.clone()),
            Note::TokenUsed { id, at_us } => {
                used.insert(*id, *at_us);
            }
            Note::Stop => {}
        }
    }
    if rows.is_empty() && used.is_empty() {
        return Ok(());
    }
    let mut transaction = store.pools().begin().await?;
    audit::insert(&mut transaction, &rows).await?;
    // In the order of their ids, so that two masters do not block one another.
    for (id, at_us) in used {
        tokens::used(&mut transaction, id, at_us).await?;
    }
    transaction.commit().await
}

async fn forget(store: &Store) -> Result<(), StoreError> {
    let before = Utc::now() - AUDIT_KEPT;
    let mut transaction = store.pools().begin().await?;
    let forgotten = audit::forget(&mut transaction, before.timestamp_micros()).await?;
    transaction.commit().await?;
    if forgotten > 0 {
        tracing::info!(forgotten, "old entries of the audit log are forgotten");
    }
    Ok(())
}

/// Writes down a command, together with what it does.
pub(super) async fn command(
    transaction: &mut Transacting,
    by: &str,
    action: &str,
    target: &str,
) -> Result<(), StoreError> {
    let entry = AuditEntry {
        at: Utc::now(),
        who: by.to_owned(),
        action: action.to_owned(),
        target: target.to_owned(),
        status: 0,
        address: String::new(),
        request_id: String::new(),
    };
    audit::insert(transaction, &[row(&entry)]).await
}

fn row(entry: &AuditEntry) -> NewAuditRow {
    NewAuditRow {
        at_us: entry.at.timestamp_micros(),
        who: storable(&entry.who),
        action: storable(&entry.action),
        target: storable(&entry.target),
        status: i64::from(entry.status),
        address: storable(&entry.address),
        request_id: storable(&entry.request_id),
    }
}

/// Short, and without what a database or a terminal may choke on.
fn storable(text: &str) -> String {
    let text = shared::text::cut(text, TARGET_BYTES_MAX);
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// Which entries to list.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Only those of this token or account.
    pub who: Option<String>,
    /// Only those since a moment.
    pub since: Option<DateTime<Utc>>,
    /// Only those before this one: where to go on.
    pub before: Option<i64>,
    /// At most this many.
    pub limit: u32,
}

/// Entries with their ids, the newest first.
pub async fn list(
    store: &Store,
    filter: &AuditFilter,
) -> Result<Vec<(i64, AuditEntry)>, StoreError> {
    let rows = audit::newest(
        store,
        filter.before.unwrap_or(i64::MAX),
        filter.since.map_or(0, |since| since.timestamp_micros()),
        filter.who.as_deref(),
        filter.limit,
    );
    rows.await?.into_iter().map(entry).collect()
}

fn entry(row: AuditRow) -> Result<(i64, AuditEntry), StoreError> {
    let entry = AuditEntry {
        at: moment(row.at_us)?,
        who: row.who,
        action: row.action,
        target: row.target,
        status: u16::try_from(row.status).unwrap_or_default(),
        address: row.address,
        request_id: row.request_id,
    };
    Ok((row.id, entry))
}
