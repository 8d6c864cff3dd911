//! Which tests fail most often?

use shared::answer::FailureStat;

use crate::store::dictionary::ALL_PROJECTS;
use crate::store::{Store, StoreError, failure_counts, projects};

/// The tests that failed in most runs, of one project or of all, most failures first.
pub async fn top(
    store: &Store,
    project: Option<&str>,
    limit: u32,
) -> Result<Vec<FailureStat>, StoreError> {
    let scope = match project {
        None => Some(ALL_PROJECTS),
        Some(name) => projects::id(store, name).await?,
    };
    let Some(scope) = scope else {
        return Ok(Vec::new());
    };
    let rows = failure_counts::top(store, scope, limit).await?;
    let stats = rows.into_iter().map(|row| FailureStat {
        nodeid: row.nodeid,
        fail_count: row.fail_count as u64,
    });
    Ok(stats.collect())
}
