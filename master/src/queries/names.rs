//! Which names are known?

use crate::store::{Store, StoreError};

/// A project that at least one run named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectName {
    /// The name.
    pub project: String,
    /// Runs of it.
    pub run_count: u64,
}

/// Every project, the one with most runs first.
#[expect(clippy::unused_async, reason = "filled in next")]
pub async fn projects(_store: &Store) -> Result<Vec<ProjectName>, StoreError> {
    unimplemented!()
}
