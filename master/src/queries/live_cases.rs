//! The cases of a run that goes on, out of its batches.
//!
//! The order is that in which tests were first reported, which further batches only add to: so a
//! position leads on as it does in a stored run. What is in memory is a place for each test and the
//! cases of few batches.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use shared::case::{Case, NewCase};
use shared::limits;
use shared::outcome::Outcome;
use shared::run::RunFailure;
use shared::text::cut;

use super::cases::{CasesFilter, CasesPage, CasesSort};
use crate::store::columns::usual_outcomes;
use crate::store::marks;
use crate::store::packed::unpack_cases;
use crate::store::{Store, StoreError, stream_batches};

/// Batches that are read at once.
const BATCHES_AT_ONCE: i64 = 8;

/// Added to positions that lead on, because a stored run has another order.
pub(super) const LIVE_POSITIONS: u64 = 1 << 40;

/// Failures that are listed of a run that goes on.
const FAILURES_MAX: usize = 1_000;

/// Where the last case of a test is.
#[derive(Debug, Clone, Copy)]
struct Place {
    batch: i64,
    index: u32,
    may_be_bad: bool,
}

/// Where the cases of a run that goes on are.
#[derive(Debug, Default)]
pub(super) struct LiveCases {
    run: i64,
    /// By position.
    places: Vec<Place>,
    positions: FxHashMap<u64, u32>,
}

/// A case that is the last of its test.
struct Placed {
    position: usize,
    case: NewCase,
}

/// Order of a case in a list: least first.
type Order = (Reverse<u64>, usize);

impl LiveCases {
    /// Finds the cases of a run. A run that ends meanwhile has none here.
    pub(super) async fn find(store: &Store, run: i64) -> Result<Self, StoreError> {
        let mut found = Self {
            run,
            ..Self::default()
        };
        for row in stream_batches::all_marks(store, run).await? {
            for (index, mark) in marks::unpack(&row.marks)?.enumerate() {
                let place = Place {
                    batch: row.number,
                    index: index as u32,
                    may_be_bad: mark.may_be_bad(),
                };
                let next = found.places.len() as u32;
                let position = *found.positions.entry(mark.test).or_insert(next);
                if position == next {
                    found.places.push(place);
                } else {
                    found.places[position as usize] = place;
                }
            }
        }
        Ok(found)
    }

    /// Lists cases as they are so far.
    pub(super) async fn page(
        &self,
        store: &Store,
        filter: &CasesFilter,
    ) -> Result<CasesPage, StoreError> {
        let needle = filter.q.as_deref().unwrap_or_default().to_lowercase();
        let limit = filter.limit as usize;
        let after = self.after(store, filter).await?;
        let batches = self.batches_for(filter, needle.is_empty());
        let mut found: BTreeMap<Order, NewCase> = BTreeMap::new();
        self.walk(store, &batches, |placed| {
            let order = order(filter.sort, placed.position, &placed.case);
            let wanted = after.is_none_or(|after| order > after)
                && is_wanted(filter.outcome, &placed.case)
                && (needle.is_empty() || placed.case.nodeid.to_lowercase().contains(&needle));
            if wanted {
                found.insert(order, placed.case);
            }
            // One more than asked for tells whether there is a next page.
            if found.len() > limit + 1 {
                found.pop_last();
            }
        })
        .await?;
        let more = found.len() > limit;
        let cases: Vec<(Order, NewCase)> = found.into_iter().take(limit).collect();
        let last = cases.last().map(|((_, position), _)| *position as u64);
        Ok(CasesPage {
            next: last.filter(|_| more).map(|last| last + LIVE_POSITIONS),
            is_order_gone: false,
            cases: cases.into_iter().map(|(_, case)| listed(case)).collect(),
        })
    }

    /// One case with everything that went wrong in it.
    pub(super) async fn case(
        &self,
        store: &Store,
        nodeid: &str,
    ) -> Result<Option<Case>, StoreError> {
        let Some(position) = self.positions.get(&marks::key(nodeid)) else {
            return Ok(None);
        };
        let found = self.at(store, *position as usize).await?;
        let found = found.filter(|case| case.nodeid == nodeid);
        Ok(found.map(|mut case| {
            let failures = std::mem::take(&mut case.failures);
            Case {
                failures: Some(failures),
                ..answered(case)
            }
        }))
    }

    /// What went wrong so far, at most [`FAILURES_MAX`].
    pub(super) async fn failures(&self, store: &Store) -> Result<Vec<RunFailure>, StoreError> {
        let bad = self.places.iter().filter(|place| place.may_be_bad);
        let mut batches: Vec<i64> = bad.take(FAILURES_MAX).map(|place| place.batch).collect();
        batches.sort_unstable();
        batches.dedup();
        let mut failures = BTreeMap::new();
        self.walk(store, &batches, |placed| {
            if placed.case.outcome.is_bad() && failures.len() < FAILURES_MAX {
                let case = listed(placed.case);
                let failure = RunFailure {
                    nodeid: case.nodeid,
                    duration: case.duration.unwrap_or(0.0),
                    message: case.message.unwrap_or_default(),
                };
                failures.insert(placed.position, failure);
            }
        })
        .await?;
        Ok(failures.into_values().collect())
    }

    /// Where the page before ended.
    async fn after(
        &self,
        store: &Store,
        filter: &CasesFilter,
    ) -> Result<Option<Order>, StoreError> {
        let Some(position) = position_after(filter) else {
            return Ok(None);
        };
        Ok(match filter.sort {
            CasesSort::Stored => Some((Reverse(0), position)),
            CasesSort::Slowest => {
                let last = self.at(store, position).await?;
                last.map(|case| order(filter.sort, position, &case))
            }
        })
    }

    async fn at(&self, store: &Store, position: usize) -> Result<Option<NewCase>, StoreError> {
        let Some(place) = self.places.get(position) else {
            return Ok(None);
        };
        let mut found = None;
        self.walk(store, &[place.batch], |placed| {
            if placed.position == position {
                found = Some(placed.case);
            }
        })
        .await?;
        Ok(found)
    }

    /// The batches that a page may need.
    fn batches_for(&self, filter: &CasesFilter, is_any_name: bool) -> Vec<i64> {
        let first = position_after(filter).map_or(0, |after| after + 1);
        let is_plain = filter.outcome.is_none() && is_any_name;
        let places = match filter.sort {
            CasesSort::Slowest => &self.places[..],
            CasesSort::Stored => self.places.get(first..).unwrap_or_default(),
        };
        let length = match filter.sort {
            CasesSort::Stored if is_plain => filter.limit as usize + 1,
            _ => places.len(),
        };
        let bad_only = filter.outcome.is_some_and(Outcome::is_bad);
        let needed = places.iter().take(length);
        let needed = needed.filter(|place| place.may_be_bad || !bad_only);
        let mut batches: Vec<i64> = needed.map(|place| place.batch).collect();
        batches.sort_unstable();
        batches.dedup();
        batches
    }

    /// Calls `visit` with the cases of some batches that nothing replaced since, few batches in
    /// memory at a time.
    async fn walk(
        &self,
        store: &Store,
        batches: &[i64],
        mut visit: impl FnMut(Placed),
    ) -> Result<(), StoreError> {
        let mut rest = batches;
        while let Some(first) = rest.first() {
            // Batches that follow one another are read with one question.
            let together = rest.iter().zip(*first..).take(BATCHES_AT_ONCE as usize);
            let count = together.take_while(|(batch, next)| *batch == next).count();
            rest = &rest[count..];
            let last = first + count as i64 - 1;
            let packed = stream_batches::cases(store, self.run, first - 1, last).await?;
            for (number, packed) in (*first..).zip(packed) {
                for (index, case) in unpack_cases(&packed)?.into_iter().enumerate() {
                    if let Some(position) = self.last_of(&case, number, index) {
                        visit(Placed { position, case });
                    }
                }
            }
        }
        Ok(())
    }

    /// The position of a case, unless a later batch replaced it.
    fn last_of(&self, case: &NewCase, batch: i64, index: usize) -> Option<usize> {
        let position = *self.positions.get(&marks::key(&case.nodeid))? as usize;
        let place = self.places.get(position)?;
        (place.batch == batch && place.index as usize == index).then_some(position)
    }
}

/// The position of the last case of the page before.
fn position_after(filter: &CasesFilter) -> Option<usize> {
    let after = filter.after?;
    Some(after.saturating_sub(LIVE_POSITIONS) as usize)
}

fn order(sort: CasesSort, position: usize, case: &NewCase) -> Order {
    let rank = match sort {
        CasesSort::Stored => 0,
        // Bits of a float that is not negative are in the order of the floats.
        CasesSort::Slowest => duration(case).map_or(0, |seconds| seconds.max(0.0).to_bits() + 1),
    };
    (Reverse(rank), position)
}

fn is_wanted(outcome: Option<Outcome>, case: &NewCase) -> bool {
    match outcome {
        None => true,
        Some(Outcome::Rerun) => {
            let outcomes = case.outcomes.as_deref().unwrap_or_default();
            outcomes.contains(&Outcome::Rerun)
        }
        Some(outcome) => case.outcome == outcome,
    }
}

fn duration(case: &NewCase) -> Option<f64> {
    let phases = [case.setup, case.call, case.teardown];
    let sum = phases.iter().flatten().sum();
    let any = phases.iter().any(Option::is_some);
    case.duration.or_else(|| any.then_some(sum))
}

/// A case as lists have it.
fn listed(mut case: NewCase) -> Case {
    let message = case.message.take();
    Case {
        message: message.map(|message| cut(&message, limits::MESSAGE_SHORT_BYTES_MAX).into_owned()),
        ..answered(case)
    }
}

fn answered(case: NewCase) -> Case {
    Case {
        duration: duration(&case),
        outcomes: case
            .outcomes
            .unwrap_or_else(|| usual_outcomes(case.outcome).to_vec()),
        nodeid: case.nodeid,
        outcome: case.outcome,
        setup: case.setup,
        call: case.call,
        teardown: case.teardown,
        attempts: case.attempts,
        executions: case.executions,
        started_at: case.started_at,
        file: case.file,
        line: case.line,
        markers: case.markers,
        xdist_worker: case.xdist_worker,
        memory_peak_kib: case.memory_peak_kib,
        message: case.message,
        subtests_passed: case.subtests_passed,
        subtests_failed: case.subtests_failed,
        subtests_skipped: case.subtests_skipped,
        failures: None,
    }
}
