//! Which names are known?

use crate::store::{Store, StoreError, projects};

/// A project that at least one run named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectName {
    /// The name.
    pub project: String,
    /// Runs of it.
    pub run_count: u64,
}

/// Every project, the one with most runs first.
pub async fn projects(store: &Store) -> Result<Vec<ProjectName>, StoreError> {
    let rows = projects::most_runs(store).await?;
    let names = rows.into_iter().map(|row| ProjectName {
        project: row.name,
        run_count: row.run_count as u64,
    });
    Ok(names.collect())
}
