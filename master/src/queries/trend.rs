//! How did the last runs go?

use shared::answer::TrendPoint;

use crate::store::{Store, StoreError};

/// Whose runs; an absent filter lets everything through.
#[derive(Debug, Clone, Default)]
pub struct TrendFilter {
    /// Only this project's.
    pub project: Option<String>,
    /// Only this branch's.
    pub branch: Option<String>,
    /// Only this worker's.
    pub worker_id: Option<String>,
    /// The last so many.
    pub limit: u32,
}

/// The last runs to arrive, oldest first.
#[expect(clippy::unused_async, reason = "filled in next")]
pub async fn last(_store: &Store, _filter: &TrendFilter) -> Result<Vec<TrendPoint>, StoreError> {
    unimplemented!()
}
