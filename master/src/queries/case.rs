//! What became of one test in one run, with everything that went wrong in it?

use shared::case::Case;

use crate::store::{Store, StoreError};

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub enum FoundCase {
    /// There is no run with this id.
    UnknownRun,
    /// The run has no case of this nodeid.
    UnknownCase,
    /// The case, `failures` filled in.
    Found(Box<Case>),
}

/// One case of a run.
#[expect(clippy::unused_async, reason = "filled in next")]
pub async fn get(_store: &Store, _run_id: &str, _nodeid: &str) -> Result<FoundCase, StoreError> {
    unimplemented!()
}
