//! The verdict on a run, from what pytest said and from how its process ended.

use shared::status::RunStatus;

/// Exit status of a session with failed tests.
const TESTS_FAILED: i32 = 1;
/// Exit status of a session that pytest itself could not carry on.
const INTERNAL_ERROR: i32 = 3;
/// Exit status of a refused command line.
const USAGE_ERROR: i32 = 4;
/// Exit status of a session that was stopped.
const INTERRUPTED: i32 = 2;
/// Exit status of a session without tests.
const NO_TESTS: i32 = 5;

/// What the verdict depends on.
#[derive(Debug, Clone, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "these are independent facts, and every combination happens"
)]
pub(super) struct Facts {
    /// Nobody saw the end, and pytest had not said goodbye before.
    pub(super) lost: bool,
    /// The time limit ended the process.
    pub(super) timed_out: bool,
    /// The session was still on at that limit, and was interrupted by it.
    pub(super) interrupted_by_limit: bool,
    /// The worker was told to stop, and told pytest.
    pub(super) stopped: bool,
    /// The plugin may have gone on when nobody heard it any more.
    pub(super) unheard: bool,
    /// A signal ended it.
    pub(super) signalled: bool,
    /// Its exit code, where known.
    pub(super) exit_code: Option<i32>,
    /// The plugin was loaded.
    pub(super) loaded: bool,
    /// pytest was configured.
    pub(super) configured: bool,
    /// The interpreter said that it ends in an orderly way.
    pub(super) orderly: bool,
    /// The traceback with which it ended, or empty.
    pub(super) exit_text: String,
    /// The session said that it ended.
    pub(super) finished: bool,
    /// The session's last known exit status.
    pub(super) session_status: Option<i32>,
    /// pytest said that it was stopped.
    pub(super) interrupted: bool,
    /// Hooks reported errors outside of tests.
    pub(super) internal_error: bool,
    /// Files or folders that could not be collected.
    pub(super) collection_errors: u64,
    /// Tests that started.
    pub(super) started: usize,
    /// Some test or subtest failed, had an error or died.
    pub(super) bad: bool,
    /// Every collected test started and ended.
    pub(super) all_reported: bool,
}

/// A verdict, and what contradicts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) status: RunStatus,
    /// In words, when sources disagree and the worst of them won.
    pub(super) contradiction: Option<String>,
}

impl Facts {
    pub(super) fn verdict(&self) -> Verdict {
        if self.lost {
            return plain(RunStatus::Lost);
        }
        if !self.finished {
            return plain(self.without_finish());
        }
        if self.interrupted_by_limit {
            return plain(RunStatus::Timeout);
        }
        if self.signalled && !self.timed_out {
            return plain(if self.stopped {
                RunStatus::Interrupted
            } else {
                RunStatus::Crashed
            });
        }
        let status = self.session_status;
        if self.internal_error || status == Some(INTERNAL_ERROR) {
            return plain(RunStatus::InternalError);
        }
        if status == Some(USAGE_ERROR) {
            return plain(RunStatus::UsageError);
        }
        if self.collection_errors > 0 && self.started == 0 {
            return self.unless_exit_zero(RunStatus::Error);
        }
        if self.bad || self.collection_errors > 0 {
            return self.unless_exit_zero(RunStatus::Failed);
        }
        if self.interrupted || status == Some(INTERRUPTED) {
            return plain(RunStatus::Interrupted);
        }
        self.nothing_bad()
    }

    /// The session never said that it ended.
    fn without_finish(&self) -> RunStatus {
        if self.timed_out {
            return RunStatus::Timeout;
        }
        if self.signalled && self.stopped {
            return RunStatus::Interrupted;
        }
        if self.signalled {
            return RunStatus::Crashed;
        }
        if self.unheard && !self.orderly {
            return self.not_heard_to_the_end();
        }
        if self.loaded && !self.orderly {
            return RunStatus::Crashed;
        }
        match self.exit_code {
            Some(USAGE_ERROR) => RunStatus::UsageError,
            // A sidecar knows no exit code; what ends in order before it is configured is usage.
            None if self.loaded && !self.configured => RunStatus::UsageError,
            _ if self.interrupted => RunStatus::Interrupted,
            // `--help` and `--version` end before a session begins.
            Some(0 | NO_TESTS) if self.loaded && self.started == 0 => RunStatus::NoTests,
            _ => RunStatus::InternalError,
        }
    }

    /// pytest went on after the plugin was heard last: its exit code may say that tests failed, but
    /// none says that all passed.
    fn not_heard_to_the_end(&self) -> RunStatus {
        match self.exit_code {
            Some(TESTS_FAILED) => RunStatus::Failed,
            Some(INTERRUPTED) => RunStatus::Interrupted,
            _ => RunStatus::InternalError,
        }
    }

    /// The session ended, and no test and no hook complained.
    fn nothing_bad(&self) -> Verdict {
        let status = self.session_status.unwrap_or(0);
        if self.started == 0 && (status == 0 || status == NO_TESTS) {
            return plain(RunStatus::NoTests);
        }
        if status != 0 {
            return against(
                RunStatus::Failed,
                format!("no test failed, but pytest's exit status is {status}"),
            );
        }
        if !self.all_reported {
            return against(
                RunStatus::Interrupted,
                "pytest's exit status is 0, but some collected tests never reported".to_owned(),
            );
        }
        match self.exit_code {
            // A hook that raised at the very end: the tests passed, and its traceback is a problem.
            Some(code) if code != 0 && self.exit_text.is_empty() && !self.timed_out => against(
                RunStatus::Failed,
                format!("no test failed, but the process ended with exit code {code}"),
            ),
            _ => plain(RunStatus::Passed),
        }
    }

    fn unless_exit_zero(&self, status: RunStatus) -> Verdict {
        if self.exit_code == Some(0) {
            return against(status, format!("the exit code is 0, but the run {status}"));
        }
        plain(status)
    }
}

fn plain(status: RunStatus) -> Verdict {
    Verdict {
        status,
        contradiction: None,
    }
}

fn against(status: RunStatus, words: String) -> Verdict {
    Verdict {
        status,
        contradiction: Some(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Facts {
        Facts {
            exit_code: Some(0),
            loaded: true,
            orderly: true,
            finished: true,
            session_status: Some(0),
            started: 3,
            all_reported: true,
            ..Facts::default()
        }
    }

    fn status_after(change: impl FnOnce(&mut Facts)) -> RunStatus {
        let mut facts = good();
        change(&mut facts);
        facts.verdict().status
    }

    #[test]
    fn only_a_whole_run_without_complaint_is_passed() {
        assert_eq!(good().verdict(), plain(RunStatus::Passed));
        let incomplete = status_after(|facts| facts.all_reported = false);
        assert_eq!(incomplete, RunStatus::Interrupted);
    }

    #[test]
    fn exit_code_0_without_a_finish_is_a_crash() {
        let status = status_after(|facts| {
            facts.finished = false;
            facts.orderly = false;
        });
        assert_eq!(status, RunStatus::Crashed);
    }

    #[test]
    fn exit_code_0_with_a_failed_test_is_failed_and_a_contradiction() {
        let mut facts = good();
        facts.bad = true;
        let verdict = facts.verdict();
        assert_eq!(verdict.status, RunStatus::Failed);
        assert!(verdict.contradiction.is_some());
    }

    #[test]
    fn a_hook_that_raises_after_all_tests_passed_leaves_them_passed() {
        let status = status_after(|facts| {
            facts.exit_code = Some(1);
            facts.exit_text = "ValueError: boom".to_owned();
        });
        assert_eq!(status, RunStatus::Passed);
        let unexplained = status_after(|facts| facts.exit_code = Some(1));
        assert_eq!(unexplained, RunStatus::Failed);
    }

    #[test]
    fn a_process_that_does_not_exit_keeps_its_results() {
        let status = status_after(|facts| {
            facts.timed_out = true;
            facts.exit_code = None;
        });
        assert_eq!(status, RunStatus::Passed);
        let hung = status_after(|facts| {
            facts.timed_out = true;
            facts.finished = false;
        });
        assert_eq!(hung, RunStatus::Timeout);
    }

    #[test]
    fn an_end_that_nobody_saw_is_lost_whatever_the_tests_did() {
        assert_eq!(status_after(|facts| facts.lost = true), RunStatus::Lost);
    }

    #[test]
    fn a_session_that_the_limit_interrupted_is_a_timeout_although_it_said_goodbye() {
        let status = status_after(|facts| {
            facts.timed_out = true;
            facts.interrupted_by_limit = true;
            facts.interrupted = true;
            facts.session_status = Some(INTERRUPTED);
        });
        assert_eq!(status, RunStatus::Timeout);
    }

    #[test]
    fn a_signal_that_the_worker_passed_on_stopped_the_run_and_any_other_crashed_it() {
        let died = |stopped| {
            status_after(|facts| {
                facts.finished = false;
                facts.orderly = false;
                facts.signalled = true;
                facts.exit_code = None;
                facts.stopped = stopped;
            })
        };
        assert_eq!(died(true), RunStatus::Interrupted);
        assert_eq!(died(false), RunStatus::Crashed);
    }

    #[test]
    fn a_run_that_was_not_heard_to_its_end_is_never_passed() {
        let unheard = |exit_code| {
            status_after(|facts| {
                facts.finished = false;
                facts.orderly = false;
                facts.unheard = true;
                facts.exit_code = exit_code;
            })
        };
        assert_eq!(unheard(Some(0)), RunStatus::InternalError);
        assert_eq!(unheard(Some(1)), RunStatus::Failed);
        assert_eq!(unheard(None), RunStatus::InternalError);
    }

    #[test]
    fn a_missing_pytest_is_no_pass_whatever_the_exit_code() {
        let status = status_after(|facts| {
            *facts = Facts {
                exit_code: Some(0),
                ..Facts::default()
            }
        });
        assert_eq!(status, RunStatus::InternalError);
    }
}
