//! Forgets snapshots, archives and old contents that nothing names any more.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::folder::Library;
use crate::store::{StoreError, blobs};

/// How long what nobody names is kept: whoever uploaded an archive has so long to queue a job with it.
const UNUSED_KEPT: TimeDelta = TimeDelta::days(1);

/// How often it is looked for.
const SWEEP_EVERY: Duration = Duration::from_hours(1);

impl Library {
    /// Sweeps now and then, for ever.
    pub async fn sweep_again_and_again(self) {
        let mut sweeps = tokio::time::interval(SWEEP_EVERY);
        loop {
            sweeps.tick().await;
            match self.sweep(Utc::now()).await {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "contents that no job names are forgotten"),
                Err(error) => tracing::warn!(%error, "contents that no job names stay for now"),
            }
        }
    }

    /// Forgets what was not named and not used for a day, one by one. Answers how many contents went.
    pub async fn sweep(&self, now: DateTime<Utc>) -> Result<u64, StoreError> {
        let since = now - UNUSED_KEPT;
        let mut count = 0;
        loop {
            let mut removed = 0;
            for hash in blobs::unused(self.store(), since).await? {
                removed += u64::from(blobs::remove_unused(self.store(), &hash, since).await?);
            }
            // Another master may sweep as well: what it took is not counted, and not waited for.
            if removed == 0 {
                return Ok(count);
            }
            count += removed;
        }
    }
}
