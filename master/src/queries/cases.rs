//! What became of the tests of one run?

use std::cmp::Reverse;

use shared::case::Case;
use shared::outcome::Outcome;

use super::case_values::RunCases;
use super::live_cases::{LIVE_POSITIONS, LiveCases};
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
    /// Whether `after` was a place in an order that is no more, because the run ended meanwhile or
    /// goes on again. Then there are no cases here.
    pub is_order_gone: bool,
}

impl CasesPage {
    const ORDER_GONE: Self = Self {
        cases: Vec::new(),
        next: None,
        is_order_gone: true,
    };
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
    if let Some(cases) = RunCases::read(store, run).await? {
        return page(store, &cases, filter).await.map(Some);
    }
    // Nothing is stored of it: it goes on, or came without cases.
    let live = live_page(store, run, filter).await?;
    // Batches become columns when a run ends, so it may have ended in between.
    match RunCases::read(store, run).await? {
        Some(cases) => page(store, &cases, filter).await.map(Some),
        None => Ok(Some(live)),
    }
}

async fn live_page(store: &Store, run: i64, filter: &CasesFilter) -> Result<CasesPage, StoreError> {
    if filter.after.is_some_and(|after| after < LIVE_POSITIONS) {
        return Ok(CasesPage::ORDER_GONE);
    }
    let cases = LiveCases::find(store, run).await?;
    cases.page(store, filter).await
}

async fn page(
    store: &Store,
    cases: &RunCases,
    filter: &CasesFilter,
) -> Result<CasesPage, StoreError> {
    if filter.after.is_some_and(|after| after >= LIVE_POSITIONS) {
        return Ok(CasesPage::ORDER_GONE);
    }
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
        is_order_gone: false,
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
