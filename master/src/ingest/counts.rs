//! Counting what cases say, as pytest's last line counts it.

use shared::case::NewCase;
use shared::outcome::Outcome;

use crate::store::columns::usual_outcomes;

/// The counts of a run with cases. Errors and skips at collection are not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Occurrences of each outcome among the `outcomes` of all cases, by [`Outcome`] number.
    occurrences: [u64; Outcome::ALL.len()],
    /// Number of cases with each outcome.
    cases: [u64; Outcome::ALL.len()],
    pub(super) executions: u64,
    pub(super) subtests_passed: u64,
    pub(super) subtests_failed: u64,
}

impl Counts {
    pub(super) fn of(cases: &[NewCase]) -> Self {
        let mut counts = Self::default();
        for case in cases {
            let outcomes = case.outcomes.as_deref();
            for outcome in outcomes.unwrap_or_else(|| usual_outcomes(case.outcome)) {
                counts.occurrences[*outcome as usize] += 1;
            }
            counts.cases[case.outcome as usize] += 1;
            counts.executions += u64::from(case.executions);
            counts.subtests_passed += u64::from(case.subtests_passed);
            counts.subtests_failed += u64::from(case.subtests_failed);
        }
        counts
    }

    /// How often pytest counted this.
    pub(super) const fn occurrences(&self, outcome: Outcome) -> u64 {
        self.occurrences[outcome as usize]
    }

    /// How many cases have this outcome.
    pub(super) const fn cases(&self, outcome: Outcome) -> u64 {
        self.cases[outcome as usize]
    }

    pub(super) fn total(&self) -> u64 {
        self.cases.iter().sum()
    }

    /// Share of cases whose outcome is `passed`, in percent.
    pub(super) fn pass_rate(&self) -> f64 {
        percent(self.cases(Outcome::Passed), self.total())
    }

    /// Number of cases that a person has to look at.
    pub(super) fn bad_cases(&self) -> u64 {
        let bad = Outcome::ALL.into_iter().filter(|outcome| outcome.is_bad());
        bad.map(|outcome| self.cases(outcome)).sum()
    }
}

/// A part of a whole in percent, 0 when there is no whole, never more than 100.
pub(super) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    (part as f64 / whole as f64 * 100.0).min(100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_with_a_failing_teardown_counts_twice_and_is_one_case() {
        let case = NewCase {
            outcomes: Some(vec![Outcome::Passed, Outcome::Error]),
            ..NewCase::new("t.py::a", Outcome::Error)
        };
        let counts = Counts::of(&[case, NewCase::new("t.py::b", Outcome::Passed)]);
        assert_eq!(counts.occurrences(Outcome::Passed), 2);
        assert_eq!(counts.occurrences(Outcome::Error), 1);
        assert_eq!((counts.total(), counts.bad_cases()), (2, 1));
        assert!((counts.pass_rate() - 50.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_test_whose_process_died_counts_as_nothing_and_is_a_case() {
        let counts = Counts::of(&[NewCase::new("t.py::a", Outcome::Crashed)]);
        assert_eq!(counts.occurrences(Outcome::Crashed), 0);
        assert_eq!((counts.total(), counts.bad_cases()), (1, 1));
    }
}
