//! Who reports, and how well do their runs go?

use shared::answer::WorkerSummary;

use crate::store::{Store, StoreError};

/// Every worker, the last seen first.
#[expect(clippy::unused_async, reason = "filled in next")]
pub async fn list(_store: &Store) -> Result<Vec<WorkerSummary>, StoreError> {
    unimplemented!()
}
