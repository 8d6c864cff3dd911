//! For how long jobs are kept: those that are over are forgotten in time, and their logs are joined.
//!
//! All of it goes in small transactions with pauses between them, so that nobody who writes waits long, and
//! no sweep takes more than so much: what it leaves is for the next.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use shared::limits::LOG_PIECE_BYTES_MAX;

use super::again::again;
use super::queue::deleted;
use super::{Jobs, JobsError};
use crate::store::changes::{self, Change};
use crate::store::job_logs::{self, PieceRow};
use crate::store::jobs::{self, FinishedJobRow};

/// How often it is looked for what is to be done.
const SWEEP_EVERY: Duration = Duration::from_mins(1);

/// Between two transactions, in which others get their turn.
const PAUSE: Duration = Duration::from_millis(20);

/// Jobs that are deleted in one transaction, and the bytes of their logs: at least one job, however long its
/// log is.
const DELETED_AT_ONCE: u32 = 50;
/// See [`DELETED_AT_ONCE`].
const DELETED_LOG_BYTES_AT_ONCE: i64 = 16 * 1024 * 1024;

/// Transactions of one sweep that delete.
const DELETIONS_PER_SWEEP: usize = 40;

/// Jobs whose logs are joined in one sweep, and about how many bytes of them.
const JOINED_PER_SWEEP: u32 = 200;
/// See [`JOINED_PER_SWEEP`].
const JOINED_BYTES_PER_SWEEP: i64 = 128 * 1024 * 1024;

/// Pieces of a log that are read at a time.
const PIECES_READ_AT_ONCE: u32 = 32;

/// Pieces that become one, at most, and their bytes unless one piece alone has more.
const PIECES_JOINED_MAX: usize = 4_096;

impl Jobs {
    /// Sweeps now and then, for ever. Without `keep`, jobs are kept for ever.
    pub async fn sweep_again_and_again(self, keep: Option<TimeDelta>) {
        let mut sweeps = tokio::time::interval(SWEEP_EVERY);
        sweeps.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            sweeps.tick().await;
            if let Some(before) = keep.and_then(|keep| Utc::now().checked_sub_signed(keep)) {
                match self.forget_finished(before).await {
                    Ok(0) => {}
                    Ok(count) => {
                        tracing::info!(count, "jobs were kept long enough and are deleted");
                    }
                    Err(error) => tracing::warn!(%error, "old jobs stay for now"),
                }
            }
            if let Err(error) = self.join_logs().await {
                tracing::warn!(%error, "logs of jobs that are over stay as they are for now");
            }
        }
    }

    /// Deletes jobs that ended before a moment, those that ended first, and answers how many: not all when
    /// there are very many. Their runs stay.
    pub async fn forget_finished(&self, before: DateTime<Utc>) -> Result<u64, JobsError> {
        let before_us = before.timestamp_micros();
        let mut count = 0;
        for _ in 0..DELETIONS_PER_SWEEP {
            let old = jobs::finished_before(&self.store, before_us, DELETED_AT_ONCE).await?;
            let lot = lot(&old);
            if lot.is_empty() {
                break;
            }
            count += again!(&self.store, self.delete_lot(lot))?;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(count)
    }

    async fn delete_lot(&self, lot: &[FinishedJobRow]) -> Result<u64, JobsError> {
        let mut transaction = self.store.pools().begin().await?;
        let mut told: Vec<Change> = Vec::new();
        for job in lot {
            // Another master may have been faster.
            let gone = jobs::delete(&mut transaction, job.id).await?;
            told.extend(gone.iter().map(deleted));
        }
        changes::commit(&self.store, transaction, &told).await?;
        Ok(told.len() as u64)
    }

    /// Joins the many small pieces of logs that are over into few large ones, which take less room, and
    /// answers how many logs: not all when there is very much.
    pub async fn join_logs(&self) -> Result<u64, JobsError> {
        let mut count = 0;
        let mut bytes = 0;
        for job in job_logs::to_join(&self.store, JOINED_PER_SWEEP).await? {
            if bytes > JOINED_BYTES_PER_SWEEP {
                break;
            }
            bytes += job.log_bytes;
            count += u64::from(self.join_log(job.id).await?);
        }
        Ok(count)
    }

    /// Joins one log; answers whether that was done to its end, and not by another master meanwhile.
    async fn join_log(&self, job: i64) -> Result<bool, JobsError> {
        let mut group = Group::default();
        let mut next = 0;
        loop {
            let read = job_logs::pieces_from(&self.store, job, next, PIECES_READ_AT_ONCE).await?;
            let Some(last) = read.last() else {
                break;
            };
            next = last.start + 1;
            for piece in read {
                if !group.has_room_for(&piece) {
                    let full = std::mem::take(&mut group);
                    if !self.replace(job, &full).await? {
                        return Ok(false);
                    }
                }
                group.add(&piece);
            }
        }
        if !self.replace(job, &group).await? {
            return Ok(false);
        }
        again!(&self.store, self.mark_joined(job))?;
        Ok(true)
    }

    async fn replace(&self, job: i64, group: &Group) -> Result<bool, JobsError> {
        if group.count < 2 {
            return Ok(true);
        }
        let replaced = again!(&self.store, self.replace_once(job, group))?;
        tokio::time::sleep(PAUSE).await;
        Ok(replaced)
    }

    async fn replace_once(&self, job: i64, group: &Group) -> Result<bool, JobsError> {
        let mut transaction = self.store.pools().begin().await?;
        let removed = job_logs::remove(&mut transaction, job, group.first, group.last).await?;
        if removed != group.count as u64 {
            // Another master joins this log as well, or deleted it. Nothing of this is committed.
            return Ok(false);
        }
        job_logs::insert(&mut transaction, job, group.first, &group.bytes).await?;
        changes::commit(&self.store, transaction, &[]).await?;
        Ok(true)
    }

    async fn mark_joined(&self, job: i64) -> Result<(), JobsError> {
        let mut transaction = self.store.pools().begin().await?;
        job_logs::mark_joined(&mut transaction, job).await?;
        Ok(changes::commit(&self.store, transaction, &[]).await?)
    }
}

/// As many of the first jobs as one transaction deletes.
fn lot(old: &[FinishedJobRow]) -> &[FinishedJobRow] {
    let mut bytes = 0;
    let beyond = old.iter().skip(1).position(|job| {
        bytes += job.log_bytes;
        bytes > DELETED_LOG_BYTES_AT_ONCE
    });
    beyond.map_or(old, |place| &old[..=place])
}

/// Pieces that follow on one another and become one.
#[derive(Debug, Default)]
struct Group {
    /// Where the first of them begins, and the last.
    first: i64,
    last: i64,
    count: usize,
    bytes: Vec<u8>,
}

impl Group {
    fn has_room_for(&self, piece: &PieceRow) -> bool {
        let bytes = self.bytes.len() + piece.bytes.len();
        self.count == 0 || (self.count < PIECES_JOINED_MAX && bytes <= LOG_PIECE_BYTES_MAX)
    }

    fn add(&mut self, piece: &PieceRow) {
        if self.count == 0 {
            self.first = piece.start;
        }
        self.last = piece.start;
        self.count += 1;
        self.bytes.extend_from_slice(&piece.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jobs_with(logs: &[i64]) -> Vec<FinishedJobRow> {
        let row = |(id, log_bytes): (usize, &i64)| FinishedJobRow {
            id: id as i64,
            log_bytes: *log_bytes,
        };
        logs.iter().enumerate().map(row).collect()
    }

    #[test]
    fn a_lot_has_one_long_log_or_many_short_ones() {
        let long = DELETED_LOG_BYTES_AT_ONCE;
        assert_eq!(lot(&[]).len(), 0);
        assert_eq!(lot(&jobs_with(&[4 * long, 0])).len(), 2);
        assert_eq!(lot(&jobs_with(&[4 * long, long + 1, 1])).len(), 1);
        assert_eq!(lot(&jobs_with(&[1, long, 1, 1])).len(), 2);
        assert_eq!(lot(&jobs_with(&[1; 50])).len(), 50);
    }
}
