//! Logs: one stream a job, over all of its attempts.

use std::time::Duration;

use bytes::Bytes;
use shared::lease::LogKept;
use shared::limits;
use shared::validate::Invalid;
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::again::again;
use super::{Jobs, JobsError, wire};
use crate::store::changes::{self, Change, ChangeKind, Heard};
use crate::store::engine::Transacting;
use crate::store::{attempts, job_logs, jobs};

/// What a log ends with when more came than is kept.
const FULL: &str = "\n== the log is full: what follows is not kept\n";

/// Longest time without a look while somebody waits for more, in case that a change was told to nobody.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How far the log of a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogEnd {
    /// Bytes of it so far.
    pub bytes: u64,
    /// Whether nothing will be added any more.
    pub is_over: bool,
}

impl Jobs {
    /// Keeps the next piece of an attempt's log, which begins at `offset`.
    pub async fn append_log(
        &self,
        job: i64,
        attempt: i64,
        offset: u64,
        piece: Bytes,
    ) -> Result<LogKept, JobsError> {
        if piece.len() > limits::LOG_PIECE_BYTES_MAX {
            let reason = format!("must have at most {} bytes", limits::LOG_PIECE_BYTES_MAX);
            return Err(Invalid::new("body", reason).into());
        }
        again!(&self.store, self.append(job, attempt, offset, &piece))
    }

    async fn append(
        &self,
        job: i64,
        attempt: i64,
        offset: u64,
        piece: &[u8],
    ) -> Result<LogKept, JobsError> {
        let mut transaction = self.store.pools().begin().await?;
        let kept = job_logs::lock(&mut transaction, job).await?;
        let attempt = attempts::get(&mut transaction, attempt).await?;
        let attempt = attempt.filter(|row| row.job == job && row.ended_us.is_none());
        let (Some(kept), Some(attempt)) = (kept, attempt) else {
            return Err(JobsError::LeaseLost);
        };
        let bytes = attempt.log_bytes.cast_unsigned();
        let Some(known) = bytes.checked_sub(offset) else {
            return Err(JobsError::LogGap { bytes });
        };
        let known = usize::try_from(known).unwrap_or(usize::MAX);
        let news = piece.get(known..).unwrap_or_default();
        if news.is_empty() {
            let full = is_full(kept);
            return Ok(LogKept { bytes, full });
        }
        let grown = keep(&mut transaction, job, kept, news).await?;
        attempts::grow_log(&mut transaction, attempt.id, news.len() as i64).await?;
        let change = Change {
            kind: ChangeKind::JobLog,
            id: job,
        };
        let told: &[Change] = if grown > kept { &[change] } else { &[] };
        changes::commit(&self.store, transaction, told).await?;
        Ok(LogKept {
            bytes: bytes + news.len() as u64,
            full: is_full(grown),
        })
    }

    /// The log of a job from an offset, at most so many bytes; empty at its end.
    pub async fn log(&self, id: i64, from: u64, bytes_max: usize) -> Result<Vec<u8>, JobsError> {
        let up_to = from.saturating_add(bytes_max as u64);
        let [from, up_to] = [from, up_to].map(|place| i64::try_from(place).unwrap_or(i64::MAX));
        let mut log = Vec::new();
        for piece in job_logs::pieces(&self.store, id, from, up_to).await? {
            let skipped = usize::try_from(from - piece.start).unwrap_or(0);
            log.extend_from_slice(piece.bytes.get(skipped..).unwrap_or_default());
        }
        log.truncate(bytes_max);
        Ok(log)
    }

    /// The end of the log of a job, at most so many bytes.
    pub async fn log_tail(&self, id: i64, bytes_max: usize) -> Result<Vec<u8>, JobsError> {
        let end = self.log_end(id).await?;
        let from = end.bytes.saturating_sub(bytes_max as u64);
        self.log(id, from, bytes_max).await
    }

    /// Waits until the log of a job has more than so many bytes or the job is over, at most so long.
    /// Answers how far it is then.
    pub async fn log_grown(
        &self,
        id: i64,
        beyond: u64,
        wait: Duration,
    ) -> Result<LogEnd, JobsError> {
        let until = Instant::now() + wait;
        // Listened to before the first look, so that nothing happens unheard in between.
        let mut changes = self.store.changes().listen();
        loop {
            let end = self.log_end(id).await?;
            if end.bytes > beyond || end.is_over || Instant::now() >= until {
                return Ok(end);
            }
            let next_look = until.min(Instant::now() + LOOK_EVERY);
            // That nothing happened in time is as good a reason to look.
            let _ = tokio::time::timeout_at(next_look, happened_to(&mut changes, id)).await;
        }
    }

    async fn log_end(&self, id: i64) -> Result<LogEnd, JobsError> {
        let row = jobs::by_id(&self.store, id).await?;
        let row = row.filter(|row| row.forgotten == 0);
        let row = row.ok_or_else(|| JobsError::NotFound(id.to_string()))?;
        Ok(LogEnd {
            bytes: row.log_bytes.cast_unsigned(),
            is_over: wire::state(&row.state)?.is_over(),
        })
    }
}

const fn is_full(bytes: i64) -> bool {
    bytes.cast_unsigned() > limits::JOB_LOG_BYTES_MAX
}

/// Adds a piece to the log of a job, as much of it as there is room for; answers the bytes that the log has
/// then.
async fn keep(
    transaction: &mut Transacting,
    job: i64,
    kept: i64,
    piece: &[u8],
) -> Result<i64, JobsError> {
    if is_full(kept) {
        return Ok(kept);
    }
    let room = limits::JOB_LOG_BYTES_MAX - kept.cast_unsigned();
    let mut added = piece.to_vec();
    if added.len() as u64 > room {
        added.truncate(usize::try_from(room).unwrap_or(usize::MAX));
        added.extend_from_slice(FULL.as_bytes());
    }
    job_logs::insert(transaction, job, kept, &added).await?;
    let bytes = added.len() as i64;
    job_logs::grow(transaction, job, bytes).await?;
    Ok(kept + bytes)
}

/// Waits until something happened to a job or to its log.
async fn happened_to(changes: &mut broadcast::Receiver<Heard>, id: i64) {
    loop {
        match changes.recv().await {
            Ok(Heard::Change(change)) => {
                let is_about_jobs =
                    matches!(change.kind, ChangeKind::JobChanged | ChangeKind::JobLog);
                if is_about_jobs && change.id == id {
                    return;
                }
            }
            // Something was missed.
            Ok(Heard::Missed) | Err(broadcast::error::RecvError::Lagged(_)) => return,
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}
