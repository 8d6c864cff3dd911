//! Why a run was not taken.

use shared::validate::Invalid;

use crate::store::StoreError;

/// Why a run was not taken. Nothing of it is stored.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// It breaks a rule of the wire.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The run id belongs to a run with other content.
    #[error("a run with this id and other content is already stored")]
    Conflict,
    /// Too many runs are waiting; the same call may succeed in a moment.
    #[error("too many runs are waiting to be stored")]
    Busy,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
