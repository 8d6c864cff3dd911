//! What became of the tests of one run?

use shared::case::Case;
use shared::outcome::Outcome;

use crate::store::{Store, StoreError};

/// Which cases to list; an absent filter lets everything through.
#[derive(Debug, Clone, Default)]
pub struct CasesFilter {
    /// Only those with this outcome.
    pub outcome: Option<Outcome>,
    /// Only those whose nodeid contains this text, letters compared without case.
    pub q: Option<String>,
    /// Only those behind this position: where to go on.
    pub after: Option<u64>,
    /// At most this many.
    pub limit: u32,
}

/// A part of a run's cases.
#[derive(Debug, Clone, PartialEq)]
pub struct CasesPage {
    /// The cases, in the stored order of the tests.
    pub cases: Vec<Case>,
    /// `after` of the next part, `None` at the end.
    pub next: Option<u64>,
}

/// Lists the cases of a run, `None` when there is no run with this id.
#[expect(clippy::unused_async, reason = "filled in next")]
pub async fn list(
    _store: &Store,
    _run_id: &str,
    _filter: &CasesFilter,
) -> Result<Option<CasesPage>, StoreError> {
    unimplemented!()
}
