//! What became of the tests of one run?

use std::cmp::Reverse;

use shared::case::Case;
use shared::outcome::Outcome;

use super::case_values::RunCases;
use crate::store::columns::CaseColumns;
use crate::store::{Store, StoreError, dictionary, runs};

/// Nodeids that are read at once when a text is looked for in them.
const SEARCHED_AT_ONCE: usize = 2_000;

/// In which order to list cases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CasesSort {
    /// The stored order of the tests.
    #[default]
    Stored,
    /// The longest duration first, cases without one last; equal ones in the stored order.
    Slowest,
}

impl CasesSort {
    /// Every order with its name on the wire.
    pub const ALL: [(&'static str, Self); 2] =
        [("stored", Self::Stored), ("slowest", Self::Slowest)];
}

/// Which cases to list; an absent filter lets everything through.
#[derive(Debug, Clone, Default)]
pub struct CasesFilter {
    /// Only those with this outcome. No case has the outcome `rerun`; here it means those that were
    /// tried again.
    pub outcome: Option<Outcome>,
    /// Only those whose nodeid contains this text, letters compared without case.
    pub q: Option<String>,
    /// In which order.
    pub sort: CasesSort,
    /// Only those that come after the one at this position in that order: where to go on.
    pub after: Option<u64>,
    /// At most this many.
    pub limit: u32,
}

/// A part of a run's cases.
#[derive(Debug, Clone, PartialEq)]
pub struct CasesPage {
    /// The cases, in the order that was asked for.
    pub cases: Vec<Case>,
    /// `after` of the next part, `None` at the end.
    pub next: Option<u64>,
}

/// Lists the cases of a run, `None` when there is no run with this id.
pub async fn list(
    store: &Store,
    run_id: &str,
    filter: &CasesFilter,
) -> Result<Option<CasesPage>, StoreError> {
    let Some((run, _)) = runs::key(store, run_id).await? else {
        return Ok(None);
    };
    let Some(cases) = RunCases::read(store, run).await? else {
        return Ok(Some(CasesPage {
            cases: Vec::new(),
            next: None,
        }));
    };
    page(store, &cases, filter).await.map(Some)
}

async fn page(
    store: &Store,
    cases: &RunCases,
    filter: &CasesFilter,
) -> Result<CasesPage, StoreError> {
    let candidates = candidates(&cases.columns, filter);
    let needle = filter.q.as_deref().unwrap_or_default().to_lowercase();
    let limit = filter.limit as usize;
    let mut found = Vec::new();
    // One more than asked for tells whether there is a next page. Without a text to look for, the
    // first piece holds them all.
    let piece = if needle.is_empty() {
        limit + 1
    } else {
        SEARCHED_AT_ONCE
    };
    for positions in candidates.chunks(piece) {
        let tests: Vec<i64> = positions
            .iter()
            .map(|at| cases.layout.tests()[*at])
            .collect();
        let mut nodeids = dictionary::nodeids(store, &tests).await?;
        for (position, test) in positions.iter().zip(tests) {
            let nodeid = nodeids
                .remove(&test)
                .ok_or_else(|| StoreError::damaged(format!("test {test}"), "it is missing"))?;
            if needle.is_empty() || nodeid.to_lowercase().contains(&needle) {
                found.push((*position, nodeid));
            }
        }
        if found.len() > limit {
            break;
        }
    }
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().map(|(position, _)| *position as u64);
    Ok(CasesPage {
        next: last.filter(|_| more),
        cases: found
            .into_iter()
            .map(|(position, nodeid)| cases.case(position, nodeid))
            .collect(),
    })
}

/// Positions of the cases that the columns alone let through, in the order that was asked for. A
/// stored run never changes, so the position of the last case shown says where to go on.
fn candidates(columns: &CaseColumns, filter: &CasesFilter) -> Vec<usize> {
    let wanted = |position: &usize| match filter.outcome {
        None => true,
        Some(Outcome::Rerun) => columns.was_rerun(*position),
        Some(outcome) => columns.outcome(*position) == outcome,
    };
    let after = filter.after.map(|after| after as usize);
    match filter.sort {
        CasesSort::Stored => {
            let first = after.map_or(0, |after| after.saturating_add(1));
            (first..columns.len()).filter(wanted).collect()
        }
        CasesSort::Slowest => {
            let place = |position| (Reverse(columns.duration_rank(position)), position);
            let after = after.map(place);
            let mut places: Vec<_> = (0..columns.len())
                .filter(wanted)
                .map(place)
                .filter(|place| after.is_none_or(|after| *place > after))
                .collect();
            places.sort_unstable();
            places.into_iter().map(|(_, position)| position).collect()
        }
    }
}
