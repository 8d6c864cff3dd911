//! Whether the database takes what is written: known from the last time, tried anew only after a
//! failure, so that asking costs nothing while all is well.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::timeout;

use super::engine::on_connection;
use super::{Store, StoreError};

/// Longest wait for the answer to a trial. A locked database is waited for longer than whoever asks
/// for health has time.
const TRIAL_WAIT: Duration = Duration::from_secs(2);

/// Size of what is written on trial: a database that has room for it has room for most runs.
const TRIAL_BYTES: usize = 64 * 1024;

/// Key of what is written on trial, which no text has.
const TRIAL_KEY: &[u8] = b"is there room? ?";

/// What is known about writing.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    failed: AtomicBool,
    /// One trial at a time.
    trying: tokio::sync::Mutex<()>,
}

impl Writes {
    /// Something was committed.
    pub(crate) fn succeeded(&self) {
        self.failed.store(false, Ordering::Relaxed);
    }

    /// Something could not be written. Errors that say more about what was written than about the
    /// database change nothing.
    pub(crate) fn failed(&self, error: &StoreError) {
        if error.is_transient() {
            self.failed.store(true, Ordering::Relaxed);
        }
    }
}

impl Store {
    /// Whether the last write went well; when it did not, whether one does now.
    pub async fn check_writable(&self) -> Result<(), StoreError> {
        if !self.writes().failed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let store = self.clone();
        // In a task of its own: nobody waits for a lock to the end, and a statement that is given
        // up in the middle would cost the connection.
        let trial = tokio::spawn(async move { store.try_to_write().await });
        match timeout(TRIAL_WAIT, trial).await {
            Ok(Ok(outcome)) => outcome,
            _ => Err(sqlx::Error::PoolTimedOut.into()),
        }
    }

    async fn try_to_write(&self) -> Result<(), StoreError> {
        // Whoever asks meanwhile is told what is known.
        let Ok(_alone) = self.writes().trying.try_lock() else {
            return Err(sqlx::Error::PoolTimedOut.into());
        };
        if !self.writes().failed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut transaction = self.pools().begin().await?;
        on_connection!(&mut transaction, connection => {
            sqlx::query("insert into texts (hash, data) values ($1, $2)")
                .bind(TRIAL_KEY)
                .bind(vec![0_u8; TRIAL_BYTES])
                .execute(&mut *connection)
                .await?;
            sqlx::query("delete from texts where hash = $1")
                .bind(TRIAL_KEY)
                .execute(connection)
                .await?;
        });
        transaction.commit().await?;
        self.writes().succeeded();
        tracing::info!("the database takes what is written again");
        Ok(())
    }
}
