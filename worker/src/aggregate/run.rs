//! One session while it goes on.

use shared::event::Event;
use shared::run::NewRun;

use super::ending::Ending;

/// Everything that the events told so far.
#[derive(Debug, Default)]
pub struct Run {}

/// What a run counts, as the master will count it.
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

impl Run {
    /// A run of which nothing is known yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one event.
    pub fn apply(&mut self, event: Event) {
        drop(event);
    }

    /// What is counted so far.
    pub fn summary(&self) -> Summary {
        Summary::default()
    }

    /// The run as it is sent, but for what only the worker knows: ids, project, commit, variant,
    /// CI and command.
    pub fn finish(self, ending: Ending) -> NewRun {
        NewRun {
            exit_code: ending.exit_code,
            ..NewRun::default()
        }
    }
}
