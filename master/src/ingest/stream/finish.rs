//! Finishing a run: its batches become the run that could have been sent whole.

use chrono::{DateTime, Utc};
use shared::limits;
use shared::stream::Finish;
use shared::validate::{self, Invalid};

use super::merge::Merging;
use crate::ingest::error::{IngestError, StreamError};
use crate::ingest::plan::Plan;
use crate::ingest::save::{Ingest, Saved};
use crate::ingest::work::Work;
use crate::store::hash::Hash16;
use crate::store::streams::StreamRow;
use crate::store::{StoreError, runs, stream_batches, streams};

/// Batches that are in memory packed while they are merged.
const BATCHES_AT_ONCE: i64 = 32;

/// How often a run is merged again because it changed meanwhile.
const TRIES_MAX: u32 = 5;

/// A run that is about to be finished.
#[derive(Debug)]
pub(in crate::ingest) struct Finishing {
    pub(in crate::ingest) plan: Plan,
    /// The row and the number of batches that were merged.
    pub(in crate::ingest) run: i64,
    pub(in crate::ingest) batch_count: i64,
    pub(in crate::ingest) hash: Hash16,
    pub(in crate::ingest) heard_us: i64,
}

impl Ingest {
    /// Finishes a run. When this answers `Ok`, the run is whole and durable, and the same as if it
    /// had been saved whole.
    pub async fn finish(
        &self,
        finish: Finish,
        received_at: DateTime<Utc>,
    ) -> Result<Saved, IngestError> {
        let _inside = self.enter()?;
        check(&finish)?;
        let json = serde_json::to_vec(&finish).map_err(|e| StoreError::damaged("finish", e))?;
        let hash = Hash16::of(&json);
        drop(json);
        for _ in 0..TRIES_MAX {
            let stream = self.stream(&finish.run.run_id).await?;
            if let Some(saved) = already(&stream, &finish, hash)? {
                return Ok(saved);
            }
            let Some(merging) = self.merge(&stream).await? else {
                continue;
            };
            let mut run = finish.run.clone();
            run.cases = Some(merging.into_cases());
            let finishing = Finishing {
                plan: *self.plan(run, received_at).await?,
                run: stream.run,
                batch_count: stream.batch_count,
                hash,
                heard_us: received_at.timestamp_micros(),
            };
            match self.write(Work::Finish(Box::new(finishing))).await {
                Err(IngestError::Stream(StreamError::Changed)) => {}
                other => return other.map(|streamed| streamed.saved),
            }
        }
        Err(IngestError::Busy)
    }

    /// Memory that merging the batches of a run will take, in bytes; 0 when there are none.
    pub async fn merged_bytes(&self, run_id: &str) -> Result<usize, StoreError> {
        /// What a case takes besides its texts.
        const CASE_BYTES: i64 = 600;
        /// What a failure of a case takes besides its texts.
        const FAILURE_BYTES: i64 = 200;
        /// What each of them took at least of the bytes of its run.
        const CHARGED_BYTES: i64 = (limits::BODY_BYTES_MAX / limits::BODY_OBJECTS_MAX) as i64;
        let stream = streams::get(self.store(), run_id).await?;
        let stream = stream.filter(|stream| stream.finish_hash.is_none());
        let bytes = stream.map_or(0, |stream| {
            let failures_max = (stream.bytes / CHARGED_BYTES - stream.total).max(0);
            stream.bytes + CASE_BYTES * stream.total + FAILURE_BYTES * failures_max
        });
        Ok(usize::try_from(bytes).unwrap_or(0))
    }

    async fn stream(&self, run_id: &str) -> Result<StreamRow, IngestError> {
        if let Some(stream) = streams::get(self.store(), run_id).await? {
            return Ok(stream);
        }
        match runs::key(self.store(), run_id).await? {
            Some(_) => Err(StreamError::Finished.into()),
            None => Err(StreamError::NotFound(run_id.to_owned()).into()),
        }
    }

    /// The cases of all batches, `None` when they are no longer there.
    pub(super) async fn merge(&self, stream: &StreamRow) -> Result<Option<Merging>, IngestError> {
        let mut merging = Merging::default();
        let mut after = 0;
        while after < stream.batch_count {
            let last = (after + BATCHES_AT_ONCE).min(stream.batch_count);
            let batches = stream_batches::cases(self.store(), stream.run, after, last).await?;
            if batches.len() as i64 != last - after {
                return Ok(None);
            }
            let merge = move |_: &_| {
                for batch in &batches {
                    merging.add_packed(batch)?;
                }
                Ok(merging)
            };
            merging = self.build(merge).await?;
            after = last;
        }
        Ok(Some(merging))
    }
}

/// Rules of the body that hold whatever was sent before.
fn check(finish: &Finish) -> Result<(), Invalid> {
    validate::run(&finish.run).map_err(|invalid| Invalid {
        field: format!("run.{}", invalid.field),
        ..invalid
    })?;
    let cases = finish.run.cases.as_ref();
    if cases.is_some_and(|cases| !cases.is_empty()) {
        return Err(Invalid::new("run.cases", "are sent in batches"));
    }
    Ok(())
}

/// Whether nothing is left to do, and why it cannot be done.
fn already(
    stream: &StreamRow,
    finish: &Finish,
    hash: Hash16,
) -> Result<Option<Saved>, IngestError> {
    if let Some(known) = &stream.finish_hash {
        return if known == hash.bytes() {
            Ok(Some(Saved::Unchanged))
        } else {
            Err(StreamError::Finished.into())
        };
    }
    if stream.is_over() {
        return Err(StreamError::Finished.into());
    }
    if stream.worker_id != finish.run.worker_id {
        return Err(IngestError::Conflict);
    }
    let kept = stream.batch_count as u64;
    if finish.batches > kept {
        return Err(StreamError::BatchesMissing { kept }.into());
    }
    if finish.batches < kept {
        return Err(StreamError::BatchesLeftOver { kept }.into());
    }
    Ok(None)
}
