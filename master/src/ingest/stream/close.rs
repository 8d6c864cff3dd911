//! Closing a run whose worker went silent, with all it had.

use std::time::Duration;

use chrono::{DateTime, Utc};
use shared::limits;
use shared::run::{NewRun, Problem, ProblemKind};
use shared::status::RunStatus;
use shared::stream::Progress;

use super::merge::Merging;
use super::packed::{unpack_opening, unpack_progress};
use crate::ingest::error::{IngestError, StreamError};
use crate::ingest::plan::Plan;
use crate::ingest::save::Ingest;
use crate::ingest::work::Work;
use crate::store::hash::Hash16;
use crate::store::streams::{self, StreamRow};
use crate::store::{Store, StoreError};

/// What is said about a test that was running.
const RUNNING_MESSAGE: &str = "the worker went silent while this test was running";

/// A run that is about to be closed.
#[derive(Debug)]
pub(in crate::ingest) struct Closing {
    pub(in crate::ingest) plan: Plan,
    /// Its worker was not heard since then.
    pub(in crate::ingest) pulse: i64,
}

/// A run that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveRun {
    /// The worker's id of the run.
    pub run_id: String,
    /// Differs after every sign of life, whatever the clocks say.
    pub pulse: i64,
}

impl Ingest {
    /// Every run that goes on.
    pub async fn live(&self) -> Result<Vec<LiveRun>, StoreError> {
        let rows = streams::live(self.store()).await?;
        let live = rows.into_iter().map(|row| LiveRun {
            run_id: row.run_id,
            pulse: row.pulse,
        });
        Ok(live.collect())
    }

    /// Closes a run as `lost`, unless its worker was heard again; answers whether it was closed.
    pub async fn close_silent(
        &self,
        live: &LiveRun,
        silence: Duration,
    ) -> Result<bool, IngestError> {
        let Some(stream) = streams::get(self.store(), &live.run_id).await? else {
            return Ok(false);
        };
        let is_silent = stream.pulse == live.pulse
            && stream.status == RunStatus::Running.as_str()
            && stream.finish_hash.is_none();
        if !is_silent {
            return Ok(false);
        }
        let Some(merging) = self.merge(&stream).await? else {
            return Ok(false);
        };
        let heard_at = DateTime::from_timestamp_micros(stream.heard_us).unwrap_or_default();
        let run = lost(&stream, merging, heard_at, silence)?;
        let mut plan = *self.plan(run, heard_at).await?;
        // What the worker will send when it comes back is other content.
        plan.row.content_hash = Hash16::NONE;
        let closing = Closing {
            plan,
            pulse: stream.pulse,
        };
        match self.write(Work::Close(Box::new(closing))).await {
            Ok(_) => Ok(true),
            Err(IngestError::Stream(StreamError::Changed)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Forgets how runs were finished before a moment: the same finish is then refused instead of
    /// answered again. Answers how many were forgotten.
    pub async fn forget_finished(&self, before: DateTime<Utc>) -> Result<u64, StoreError> {
        let store: &Store = self.store();
        let mut transaction = store.pools().begin().await?;
        let purged = streams::purge(&mut transaction, before.timestamp_micros()).await?;
        transaction.commit().await?;
        Ok(purged)
    }

    /// Drops the batches of runs that were lost and not heard of since a moment. What was stored of
    /// them stays; their workers can no longer go on, only send them whole.
    pub async fn forget_lost(&self, before: DateTime<Utc>) -> Result<(), StoreError> {
        let mut transaction = self.store().pools().begin().await?;
        streams::drop_lost(&mut transaction, before.timestamp_micros()).await?;
        transaction.commit().await
    }
}

/// The run as far as it is known.
fn lost(
    stream: &StreamRow,
    mut merging: Merging,
    heard_at: DateTime<Utc>,
    silence: Duration,
) -> Result<NewRun, StoreError> {
    let opening = unpack_opening(&stream.opening)?;
    let progress = unpack_progress(&stream.progress)?;
    for nodeid in &progress.running {
        if !nodeid.is_empty() && merging.len() < limits::RUN_CASES_MAX {
            merging.crash(nodeid.clone(), RUNNING_MESSAGE);
        }
    }
    let Progress {
        collected,
        deselected,
        running,
        running_count,
    } = progress;
    let cases = merging.into_cases();
    let mut problems = opening.problems.clone();
    problems.truncate(limits::PROBLEMS_MAX - 1);
    problems.push(Problem {
        kind: ProblemKind::Crash,
        place: String::new(),
        text: format!(
            "the worker was last heard at {} and then not for {} s: the run was closed with what \
             had arrived",
            shared::time::format(heard_at),
            silence.as_secs_f64()
        ),
    });
    Ok(NewRun {
        status: Some(RunStatus::Lost),
        finished: false,
        complete: Some(false),
        not_run_count: collected.map_or(0, |all| all.saturating_sub(cases.len() as u64)),
        collected,
        deselected,
        running,
        running_count,
        problems,
        duration: elapsed_s(stream.received_us, stream.heard_us),
        cases: Some(cases),
        ..opening
    })
}

/// Seconds between two moments, never negative: a clock may have been set back.
pub(in crate::ingest) fn elapsed_s(from_us: i64, until_us: i64) -> f64 {
    let elapsed = until_us.saturating_sub(from_us).max(0) as f64 / 1e6;
    elapsed.min(limits::DURATION_S_MAX)
}
