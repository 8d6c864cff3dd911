//! Opening a run.

use chrono::{DateTime, Utc};
use shared::limits;
use shared::run::NewRun;
use shared::status::RunStatus;
use shared::stream::Progress;
use shared::validate::{self, Invalid};

use super::packed;
use crate::ingest::error::{IngestError, StreamError};
use crate::ingest::normalise;
use crate::ingest::save::{Ingest, Streamed};
use crate::ingest::work::Work;
use crate::store::hash::Hash16;
use crate::store::runs::NewRunRow;
use crate::store::{StoreError, texts};

/// A run that is about to be opened.
#[derive(Debug)]
pub(in crate::ingest) struct Opening {
    pub(in crate::ingest) opened: Opened,
    /// The opening as it was sent, packed, and its hash.
    pub(in crate::ingest) packed: Vec<u8>,
    pub(in crate::ingest) hash: Hash16,
    pub(in crate::ingest) progress: Vec<u8>,
    pub(in crate::ingest) heard_us: i64,
}

/// What is shown of a run that has just been opened.
#[derive(Debug)]
pub(in crate::ingest) struct Opened {
    pub(in crate::ingest) row: NewRunRow,
    pub(in crate::ingest) has_timestamp: bool,
    pub(in crate::ingest) details: Vec<u8>,
}

/// A run without cases whose status is `running`. No content has its hash.
pub(in crate::ingest) fn opened(
    mut run: NewRun,
    received_at: DateTime<Utc>,
) -> Result<Opened, StoreError> {
    run.cases = Some(Vec::new());
    run.finished = false;
    let normal = normalise::run(run, received_at);
    let details = texts::pack(&normal.details.to_bytes()?);
    Ok(Opened {
        row: NewRunRow {
            status: RunStatus::Running.as_str(),
            complete: false,
            content_hash: Hash16::NONE,
            ..normal.row
        },
        has_timestamp: normal.has_timestamp,
        details,
    })
}

impl Ingest {
    /// Opens a run that will be reported in batches. `run` has neither cases nor a verdict. The same
    /// opening may be sent again at any time before the finish.
    pub async fn open(
        &self,
        run: NewRun,
        received_at: DateTime<Utc>,
    ) -> Result<Streamed, IngestError> {
        let _inside = self.enter()?;
        validate::run(&run)?;
        refuse_results(&run)?;
        let json = serde_json::to_vec(&run).map_err(|e| StoreError::damaged("opening", e))?;
        if json.len() > limits::OPENING_BYTES_MAX {
            return Err(StreamError::OpeningTooLarge.into());
        }
        let opening = Opening {
            opened: opened(run, received_at)?,
            packed: packed::pack_opening(&json),
            hash: Hash16::of(&json),
            progress: packed::pack_progress(&Progress::default())?,
            heard_us: received_at.timestamp_micros(),
        };
        self.write(Work::Open(Box::new(opening))).await
    }
}

/// An opening knows no results yet.
fn refuse_results(run: &NewRun) -> Result<(), Invalid> {
    if run.cases.as_ref().is_some_and(|cases| !cases.is_empty()) {
        return Err(Invalid::new("cases", "are sent in batches"));
    }
    if !run.failures.is_empty() {
        return Err(Invalid::new("failures", "are sent inside of cases"));
    }
    if run.status.is_some() {
        return Err(Invalid::new("status", "is not known before the finish"));
    }
    Ok(())
}
