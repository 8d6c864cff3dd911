//! Which tests fail most often?

use shared::answer::FailureStat;

use crate::store::{Store, StoreError};

/// The tests that failed in most runs, of one project or of all, most failures first.
#[expect(clippy::unused_async, reason = "filled in next")]
pub async fn top(
    _store: &Store,
    _project: Option<&str>,
    _limit: u32,
) -> Result<Vec<FailureStat>, StoreError> {
    unimplemented!()
}
