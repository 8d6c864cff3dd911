//! What changed: told to the listeners of every master once it is committed, never before.

use std::fmt;
use std::str::FromStr;

use tokio::sync::broadcast;

use super::engine::{Pools, Transacting};
use super::hash::Hash16;
use super::{Store, StoreError};

/// The channel of PostgreSQL's notifications. Only masters on the same database hear it.
pub(super) const CHANNEL: &str = "pytest_platform_runs";

/// Changes in one notification: PostgreSQL takes less than 8,000 bytes.
const NOTIFIED_AT_ONCE: usize = 200;

/// Changes that may wait for the feed before it is told that it missed some.
const WAITING_MAX: usize = 4_096;

/// What happened to a run or to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    /// It was opened, or goes on after it was lost.
    Started,
    /// More of it arrived.
    Progressed,
    /// It is stored whole, or closed as lost.
    Finished,
    /// A job came into another state, or somebody asked for its end.
    JobChanged,
    /// The log of a job grew.
    JobLog,
    /// A job is deleted, or not seen any more. What it was cannot be looked up, so that this says who may
    /// hear of it.
    JobDeleted {
        /// The mark of its project.
        project: ProjectMark,
    },
}

/// Stands for a project where its name has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProjectMark(u64);

impl ProjectMark {
    /// That of a project.
    pub(crate) fn of(project: &str) -> Self {
        let Hash16(hash) = Hash16::of(project.as_bytes());
        Self(u128::from_be_bytes(hash) as u64)
    }
}

/// Something happened to a run or to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) kind: ChangeKind,
    /// The master's own number of the run or the job.
    pub(crate) id: i64,
}

/// What a listener hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    Change(Change),
    /// Changes may have gone by unheard.
    Missed,
}

/// The way from the writers to the feed of this master. Telling never waits.
#[derive(Debug)]
pub(crate) struct Changes {
    told: broadcast::Sender<Heard>,
}

impl Default for Changes {
    fn default() -> Self {
        Self {
            told: broadcast::channel(WAITING_MAX).0,
        }
    }
}

impl Changes {
    /// Everything told from now on.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Heard> {
        self.told.subscribe()
    }

    pub(super) fn tell(&self, heard: Heard) {
        // Nobody listening is fine.
        let _ = self.told.send(heard);
    }
}

/// Commits a transaction and tells what it changed. On PostgreSQL the notification is part of the
/// transaction, so that every master hears of exactly what was committed.
pub(crate) async fn commit(
    store: &Store,
    mut transaction: Transacting,
    changes: &[Change],
) -> Result<(), StoreError> {
    if let Transacting::Postgres(transaction) = &mut transaction {
        for some in changes.chunks(NOTIFIED_AT_ONCE) {
            sqlx::query("select pg_notify($1, $2)")
                .bind(CHANNEL)
                .bind(written(some))
                .execute(&mut **transaction)
                .await?;
        }
    }
    transaction.commit().await?;
    store.writes().succeeded();
    if matches!(store.pools(), Pools::Sqlite { .. }) {
        for change in changes {
            store.changes().tell(Heard::Change(*change));
        }
    }
    Ok(())
}

fn written(changes: &[Change]) -> String {
    let words: Vec<String> = changes.iter().map(ToString::to_string).collect();
    words.join(" ")
}

/// The changes in a notification; what a newer master may say besides is skipped.
pub(super) fn read(notification: &str) -> impl Iterator<Item = Change> {
    notification
        .split(' ')
        .filter_map(|word| word.parse::<Change>().ok())
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = match self.kind {
            ChangeKind::Started => 's',
            ChangeKind::Progressed => 'p',
            ChangeKind::Finished => 'f',
            ChangeKind::JobChanged => 'j',
            ChangeKind::JobLog => 'l',
            ChangeKind::JobDeleted { .. } => 'd',
        };
        write!(f, "{letter}{}", self.id)?;
        if let ChangeKind::JobDeleted { project } = self.kind {
            write!(f, ".{:x}", project.0)?;
        }
        Ok(())
    }
}

/// The word is no change.
#[derive(Debug)]
pub(crate) struct NoChange;

impl FromStr for Change {
    type Err = NoChange;

    fn from_str(word: &str) -> Result<Self, NoChange> {
        let mut letters = word.chars();
        let kind = match letters.next() {
            Some('s') => ChangeKind::Started,
            Some('p') => ChangeKind::Progressed,
            Some('f') => ChangeKind::Finished,
            Some('j') => ChangeKind::JobChanged,
            Some('l') => ChangeKind::JobLog,
            Some('d') => return deleted(letters.as_str()).ok_or(NoChange),
            _ => return Err(NoChange),
        };
        let id = letters.as_str().parse().map_err(|_| NoChange)?;
        Ok(Self { kind, id })
    }
}

/// What follows the letter of a job that is deleted.
fn deleted(word: &str) -> Option<Change> {
    let (id, project) = word.split_once('.')?;
    let project = ProjectMark(u64::from_str_radix(project, 16).ok()?);
    Some(Change {
        kind: ChangeKind::JobDeleted { project },
        id: id.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deleted_of(project: &str) -> ChangeKind {
        let project = ProjectMark::of(project);
        ChangeKind::JobDeleted { project }
    }

    #[test]
    fn a_notification_reads_back_and_what_is_unknown_in_it_is_skipped() {
        let changes = [
            (ChangeKind::Started, 1),
            (ChangeKind::Progressed, i64::MAX),
            (ChangeKind::Finished, 12),
            (ChangeKind::JobChanged, 3),
            (ChangeKind::JobLog, 4),
            (deleted_of("a shop, with é"), 5),
        ]
        .map(|(kind, id)| Change { kind, id });
        let text = format!("x9 {} f f1x d d1 d1. d.1 é ", written(&changes));
        assert_eq!(read(&text).collect::<Vec<_>>(), changes);
    }

    #[test]
    fn a_full_notification_fits_what_postgresql_takes() {
        let change = Change {
            kind: ChangeKind::JobDeleted {
                project: ProjectMark(u64::MAX),
            },
            id: i64::MAX,
        };
        assert!(written(&[change; NOTIFIED_AT_ONCE]).len() < 8_000);
    }
}
