//! Why a run was not taken.

use shared::validate::Invalid;

use crate::store::StoreError;

/// Why a run that is reported while it goes on did not take a call. What it had before stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// Nobody opened a run with this id.
    #[error("there is no run `{0}`; open it first")]
    NotFound(String),
    /// The run is stored whole; nothing can be added to it.
    #[error("the run is stored whole already")]
    Finished,
    /// The number belongs to another batch.
    #[error("batch {number} is another one already")]
    BatchConflict {
        /// Its number.
        number: u64,
    },
    /// The number is not the next.
    #[error("the next batch has the number {next}")]
    BatchGap {
        /// The number that would be taken.
        next: u64,
    },
    /// The finish names more batches than there are.
    #[error("only {kept} batches have arrived")]
    BatchesMissing {
        /// Batches that are kept.
        kept: u64,
    },
    /// The finish names fewer batches than there are.
    #[error("{kept} batches have arrived, more than the finish names")]
    BatchesLeftOver {
        /// Batches that are kept.
        kept: u64,
    },
    /// The opening is larger than one may be.
    #[error(
        "an opening must have at most {} bytes; send the run whole when it ended",
        shared::limits::OPENING_BYTES_MAX
    )]
    OpeningTooLarge,
    /// All batches together are larger than a run may be.
    #[error(
        "all batches of a run together must have at most {} bytes",
        shared::limits::BODY_BYTES_MAX
    )]
    TooLarge,
    /// All batches together have more cases than a run may have.
    #[error("a run must have at most {} cases", shared::limits::RUN_CASES_MAX)]
    TooManyCases,
    /// The run changed between reading it and writing it.
    #[error("the run changed meanwhile")]
    Changed,
}

/// Why a run was not taken. Nothing of it is stored.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// It breaks a rule of the wire.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The run id belongs to a run with other content.
    #[error("a run with this id and other content is already stored")]
    Conflict,
    /// The run cannot be reported on as the call asks.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// Too many runs are waiting; the same call may succeed in a moment.
    #[error("too many runs are waiting to be stored")]
    Busy,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
