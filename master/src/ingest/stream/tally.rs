//! Counts of runs that go on, a replaced case counted once. Kept in memory beside the writer; what is
//! missing there is counted again from the marks of the batches.

use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;

use crate::ingest::counts::percent;
use crate::store::StoreError;
use crate::store::marks::{self, Mark};
use crate::store::runs::CountsRow;

/// Cases that are kept in memory, over all runs: about 50 MiB.
const CASES_KEPT_MAX: usize = 1_000_000;

/// The counts of one run so far.
#[derive(Debug, Default)]
pub(in crate::ingest) struct Tally {
    /// The last batch that was counted.
    pub(in crate::ingest) batch_count: i64,
    cases: FxHashMap<u64, Mark>,
    sums: [i64; 4],
    passes: i64,
    used: u64,
}

impl Tally {
    /// Counts the next batch; a case that was there before is replaced.
    pub(in crate::ingest) fn add(&mut self, packed: &[u8]) -> Result<(), StoreError> {
        for mark in marks::unpack(packed)? {
            let replaced = match self.cases.entry(mark.test) {
                Entry::Occupied(mut before) => Some(before.insert(mark)),
                Entry::Vacant(place) => {
                    place.insert(mark);
                    None
                }
            };
            self.count(&mark, 1);
            if let Some(replaced) = replaced {
                self.count(&replaced, -1);
            }
        }
        self.batch_count += 1;
        Ok(())
    }

    fn count(&mut self, mark: &Mark, times: i64) {
        for (sum, count) in self.sums.iter_mut().zip(mark.counts) {
            *sum += times * i64::from(count);
        }
        self.passes += times * i64::from(mark.is_pass);
    }

    /// Distinct tests.
    pub(in crate::ingest) fn total(&self) -> usize {
        self.cases.len()
    }

    /// The counts for a list of runs.
    pub(in crate::ingest) fn row(&self, duration_s: f64) -> CountsRow {
        let [passed, failed, error, skipped] = self.sums;
        let total = self.total() as i64;
        CountsRow {
            passed,
            failed,
            error,
            skipped,
            total,
            pass_rate: percent(self.passes as u64, total as u64),
            duration_s,
        }
    }
}

/// The tallies of all runs that were fed lately.
#[derive(Debug, Default)]
pub(in crate::ingest) struct Tallies {
    by_run: FxHashMap<i64, Tally>,
    clock: u64,
}

impl Tallies {
    /// The tally of a run; a new one has counted no batch yet.
    pub(in crate::ingest) fn of(&mut self, run: i64) -> &mut Tally {
        self.clock += 1;
        let tally = self.by_run.entry(run).or_default();
        tally.used = self.clock;
        tally
    }

    /// Forgets a run.
    pub(in crate::ingest) fn forget(&mut self, run: i64) {
        self.by_run.remove(&run);
    }

    /// Forgets everything: a transaction failed, and nobody knows what it had counted.
    pub(in crate::ingest) fn clear(&mut self) {
        self.by_run.clear();
    }

    /// Forgets the runs that were not fed for longest, until the rest is small enough.
    pub(in crate::ingest) fn trim(&mut self) {
        let mut kept: usize = self.by_run.values().map(Tally::total).sum();
        while kept > CASES_KEPT_MAX {
            let oldest = self.by_run.iter().min_by_key(|(_, tally)| tally.used);
            let Some(run) = oldest.map(|(run, _)| *run) else {
                break;
            };
            kept -= self.by_run.remove(&run).map_or(0, |tally| tally.total());
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::case::NewCase;
    use shared::outcome::Outcome;

    use super::*;
    use crate::ingest::stream::marks as batch;

    #[test]
    fn a_case_that_is_replaced_counts_once() {
        let mut tally = Tally::default();
        let first = [
            NewCase::new("a", Outcome::Passed),
            NewCase::new("b", Outcome::Passed),
        ];
        tally.add(&batch::pack(&first)).unwrap();
        tally
            .add(&batch::pack(&[NewCase::new("a", Outcome::Failed)]))
            .unwrap();
        let row = tally.row(1.0);
        assert_eq!((row.passed, row.failed, row.total), (1, 1, 2));
        assert!((row.pass_rate - 50.0).abs() < f64::EPSILON);
        assert_eq!(tally.batch_count, 2);
    }

    #[test]
    fn a_memory_that_is_full_forgets_the_run_that_was_fed_first() {
        let mut tallies = Tallies::default();
        let mark = |test| Mark {
            test,
            counts: [1, 0, 0, 0],
            is_pass: true,
        };
        for run in 1..=3 {
            let cases = &mut tallies.of(run).cases;
            cases.extend((0..400_000).map(|test| (test, mark(test))));
        }
        tallies.trim();
        assert!(!tallies.by_run.contains_key(&1));
        assert_eq!(tallies.by_run.len(), 2);
    }
}
