//! Adding a batch to a run.

use chrono::{DateTime, Utc};
use rustc_hash::FxHashMap;
use shared::case::NewCase;
use shared::limits;
use shared::stream::{NewBatch, Progress};
use shared::validate::{self, Invalid};

use super::{marks, packed};
use crate::ingest::error::IngestError;
use crate::ingest::normalise;
use crate::ingest::prepare;
use crate::ingest::save::{Ingest, Streamed};
use crate::ingest::work::Work;
use crate::store::StoreError;

/// A batch that is about to be added, or a sign of life.
#[derive(Debug)]
pub(in crate::ingest) struct Appending {
    pub(in crate::ingest) run_id: String,
    pub(in crate::ingest) heard_us: i64,
    pub(in crate::ingest) progress: Vec<u8>,
    /// `None` for a sign of life.
    pub(in crate::ingest) cases: Option<PackedBatch>,
}

/// The cases of a batch, packed.
#[derive(Debug)]
pub(in crate::ingest) struct PackedBatch {
    pub(in crate::ingest) number: i64,
    pub(in crate::ingest) batch_id: String,
    pub(in crate::ingest) cases: Vec<u8>,
    pub(in crate::ingest) marks: Vec<u8>,
    /// What the cases take of the bytes that a run may have.
    pub(in crate::ingest) bytes: i64,
}

impl Ingest {
    /// Adds a batch to a run that goes on. When this answers `Ok`, the batch is durable. A batch
    /// without cases says that the worker lives. `received_at` is when it was heard.
    pub async fn append(
        &self,
        run_id: &str,
        batch: NewBatch,
        received_at: DateTime<Utc>,
    ) -> Result<Streamed, IngestError> {
        let _inside = self.enter()?;
        let run_id = run_id.to_owned();
        let heard_us = received_at.timestamp_micros();
        let appending = if batch.cases.is_empty() {
            appending(run_id, batch, heard_us)?
        } else {
            self.build(move |_| appending(run_id, batch, heard_us))
                .await?
        };
        self.write(Work::Append(Box::new(appending))).await
    }
}

fn appending(run_id: String, mut batch: NewBatch, heard_us: i64) -> Result<Appending, IngestError> {
    validate::batch(&batch)?;
    refuse_duplicates(&batch)?;
    batch.cases.iter_mut().for_each(normalise::tidy_case);
    shorten(&mut batch.progress);
    let progress = packed::pack_progress(&batch.progress)?;
    let cases = if batch.cases.is_empty() {
        None
    } else {
        let json = serde_json::to_vec(&batch.cases);
        let bytes = json.map_err(|error| StoreError::damaged("batch", error))?;
        Some(PackedBatch {
            number: batch.number as i64,
            batch_id: batch.batch_id,
            bytes: charged(bytes.len(), &batch.cases) as i64,
            marks: marks::pack(&batch.cases),
            cases: packed::pack_cases(batch.cases)?,
        })
    };
    Ok(Appending {
        run_id,
        heard_us,
        progress,
        cases,
    })
}

/// A run in pieces consists of no more things than one that is sent whole, however short each is written:
/// every one takes its share of the bytes that a run may have.
fn charged(json_bytes: usize, cases: &[NewCase]) -> usize {
    let failures: usize = cases.iter().map(|case| case.failures.len()).sum();
    let objects = cases.len() + failures;
    json_bytes.max(objects * limits::BODY_BYTES_MAX / limits::BODY_OBJECTS_MAX)
}

/// What is told every second is written every second: few of the longest nodeids are enough.
fn shorten(progress: &mut Progress) {
    let told = progress.running.len() as u64;
    progress.running_count = progress.running_count.max(told);
    let mut bytes = 0;
    let fits = progress.running.iter().take_while(|nodeid| {
        bytes += nodeid.len();
        bytes <= limits::PROGRESS_BYTES_MAX
    });
    let fitting = fits.count();
    progress.running.truncate(fitting);
}

/// Refuses a batch that has a test twice: only between batches is it clear which came last.
fn refuse_duplicates(batch: &NewBatch) -> Result<(), Invalid> {
    let mut first = FxHashMap::default();
    for (position, case) in batch.cases.iter().enumerate() {
        if let Some(earlier) = first.insert(case.nodeid.as_str(), position) {
            return Err(prepare::duplicate(position, earlier));
        }
    }
    Ok(())
}
