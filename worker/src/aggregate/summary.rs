//! What a run counts, as the master will count it.

use shared::case::NewCase;
use shared::outcome::Outcome;
use shared::run::NewRun;

/// Counts in the sense of pytest's own last line, so a test that passed and then failed in teardown
/// is in `passed` and in `error`. Subtests have numbers of their own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
    /// Errors in setup and teardown, and collection errors.
    pub error: u64,
    /// Tests skipped, and files skipped as a whole.
    pub skipped: u64,
    /// Tests that failed as expected.
    pub xfailed: u64,
    /// Tests that passed although a failure was expected.
    pub xpassed: u64,
    /// Attempts that were repeated.
    pub rerun: u64,
    /// Tests that were running when their process died.
    pub crashed: u64,
    /// Tests that were running when the time limit ended the run.
    pub timeout: u64,
    /// Subtests that passed.
    pub subtests_passed: u64,
    /// Subtests that failed.
    pub subtests_failed: u64,
    /// Subtests that were skipped.
    pub subtests_skipped: u64,
}

impl Summary {
    /// Counts a run that [`super::Run::finish`] made.
    pub fn of_run(run: &NewRun) -> Self {
        let mut summary = Self::of_cases(run.cases.as_deref().unwrap_or_default());
        summary.error += run.collection_errors;
        summary.skipped += run.collection_skips;
        summary
    }

    /// Counts cases alone.
    pub(super) fn of_cases(cases: &[NewCase]) -> Self {
        let mut summary = Self::default();
        for case in cases {
            match &case.outcomes {
                Some(outcomes) => outcomes.iter().for_each(|outcome| summary.count(*outcome)),
                None => summary.count(case.outcome),
            }
            let outcomes = case.outcomes.as_deref().unwrap_or_default();
            // xdist has counted a test as failed whose process died; pytest's own death no one has.
            let is_counted = outcomes.iter().any(|outcome| outcome.is_bad());
            if case.outcomes.is_some() && case.outcome > Outcome::Failed && !is_counted {
                summary.count(case.outcome);
            }
            summary.subtests_passed += u64::from(case.subtests_passed);
            summary.subtests_failed += u64::from(case.subtests_failed);
            summary.subtests_skipped += u64::from(case.subtests_skipped);
        }
        summary
    }

    /// Whether anything needs a person.
    pub fn is_bad(&self) -> bool {
        self.failed + self.error + self.crashed + self.timeout + self.subtests_failed > 0
    }

    fn count(&mut self, outcome: Outcome) {
        *match outcome {
            Outcome::Rerun => &mut self.rerun,
            Outcome::Skipped => &mut self.skipped,
            Outcome::Xfailed => &mut self.xfailed,
            Outcome::Passed => &mut self.passed,
            Outcome::Xpassed => &mut self.xpassed,
            Outcome::Error => &mut self.error,
            Outcome::Failed => &mut self.failed,
            Outcome::Timeout => &mut self.timeout,
            Outcome::Crashed => &mut self.crashed,
        } += 1;
    }
}
