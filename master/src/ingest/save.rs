//! The door of the store: one call per run, durable when it answers.

use chrono::{DateTime, Utc};
use shared::run::NewRun;
use shared::validate::Invalid;

use crate::store::{Store, StoreError};

/// Takes runs in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Ingest;

/// The writer behind an [`Ingest`].
#[derive(Debug)]
pub struct IngestTask;

/// What became of a run that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saved {
    /// It was new and is durable now.
    Created,
    /// The same content was there already.
    Unchanged,
}

/// Why a run was not taken.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// It breaks a rule of the wire.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The run id is taken by a run with other content.
    #[error("a run with this id and other content is already stored")]
    Conflict,
    /// Too many runs are waiting; try again soon.
    #[error("too many runs are waiting to be stored")]
    Busy,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Ingest {
    /// Starts the writer.
    pub fn start(_store: Store) -> (Self, IngestTask) {
        unimplemented!()
    }

    /// Keeps a run. When this answers `Ok`, the run is durable. `received_at` stands in for a
    /// missing timestamp.
    #[expect(clippy::unused_async, reason = "filled in next")]
    pub async fn save(
        &self,
        _run: NewRun,
        _received_at: DateTime<Utc>,
    ) -> Result<Saved, IngestError> {
        unimplemented!()
    }
}

impl IngestTask {
    /// Waits until everything that was accepted is durable. Every [`Ingest`] must have been
    /// dropped before, or this waits for them.
    #[expect(clippy::unused_async, reason = "filled in next")]
    pub async fn finish(self) {
        unimplemented!()
    }
}
