//! The verdict on a run: what the client claims, unless what it reports says something worse.

use shared::outcome::Outcome;
use shared::run::{NewRun, Problem, ProblemKind};
use shared::status::RunStatus;

use super::counts::Counts;

/// Status, wholeness, and where the claims of the client do not fit together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) status: RunStatus,
    pub(super) complete: bool,
    pub(super) contradiction: Option<Problem>,
}

/// Judges a run; `counts` when it has cases.
pub(super) fn of(run: &NewRun, counts: Option<&Counts>) -> Verdict {
    let executions = counts.map_or(u64::MAX, |counts| counts.executions);
    let missing = run.collected.unwrap_or(0) > executions;
    let complete = run.finished && run.complete.unwrap_or(true) && !missing;
    let found = found(run, counts, complete);
    match run.status {
        None => Verdict {
            status: found.map_or(RunStatus::Passed, |found| found.0),
            complete,
            contradiction: None,
        },
        Some(RunStatus::Passed) => Verdict {
            status: found.map_or(RunStatus::Passed, |found| found.0),
            complete,
            contradiction: found.map(|found| contradiction(found.1)),
        },
        Some(status) => Verdict {
            status,
            complete,
            contradiction: None,
        },
    }
}

fn contradiction(but: &str) -> Problem {
    Problem {
        kind: ProblemKind::Contradiction,
        place: String::new(),
        text: format!("the run was sent as `passed`, but {but}"),
    }
}

/// The worst that the report itself says, and the same in words; `None` when all is well.
fn found(
    run: &NewRun,
    counts: Option<&Counts>,
    complete: bool,
) -> Option<(RunStatus, &'static str)> {
    let cases = |outcome| counts.map_or(0, |counts| counts.cases(outcome));
    if !run.finished && cases(Outcome::Timeout) > 0 {
        return Some((
            RunStatus::Timeout,
            "its time ended while a test was running",
        ));
    }
    if !run.finished {
        return Some((RunStatus::Crashed, "pytest never said goodbye"));
    }
    if run.signal.is_some() {
        return Some((RunStatus::Crashed, "a signal ended it"));
    }
    if run.collection_errors > 0 {
        return Some((RunStatus::Error, "not everything could be collected"));
    }
    let bad = counts.map_or_else(
        || run.failed + run.error + run.failures.len() as u64,
        Counts::bad_cases,
    );
    if bad > 0 {
        return Some((RunStatus::Failed, "some of its tests were not"));
    }
    if !complete {
        return Some((
            RunStatus::Interrupted,
            "not every collected test was reported",
        ));
    }
    if run
        .exit_code
        .is_some_and(|code| code != 0 && code != EXIT_NO_TESTS)
        && !is_explained(run)
    {
        return Some((RunStatus::Failed, "its exit code says otherwise"));
    }
    if counts.is_some_and(|counts| counts.total() == 0) {
        return Some((RunStatus::NoTests, "it has no tests"));
    }
    None
}

/// Whether the run says why its exit code is bad although its tests were good: a hook that raised
/// at the very end changes the exit code, not what the tests did.
fn is_explained(run: &NewRun) -> bool {
    let mut kinds = run.problems.iter().map(|problem| problem.kind);
    kinds.any(|kind| kind == ProblemKind::InternalError)
}

/// pytest's exit code for a session in which no test ran.
const EXIT_NO_TESTS: i32 = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use shared::case::NewCase;

    fn judged(change: impl FnOnce(&mut NewRun)) -> (RunStatus, bool, bool) {
        let mut run = NewRun {
            finished: true,
            ..NewRun::default()
        };
        change(&mut run);
        let counts = run.cases.as_deref().map(Counts::of);
        let verdict = of(&run, counts.as_ref());
        let contradicted = verdict.contradiction.is_some();
        (verdict.status, verdict.complete, contradicted)
    }

    fn cases(outcomes: &[Outcome]) -> Vec<NewCase> {
        let named = outcomes.iter().enumerate();
        named
            .map(|(n, o)| NewCase::new(format!("t.py::{n}"), *o))
            .collect()
    }

    #[test]
    fn a_client_that_sends_only_counts_gets_passed_or_failed() {
        assert_eq!(judged(|r| r.passed = 3), (RunStatus::Passed, true, false));
        assert_eq!(judged(|r| r.failed = 1), (RunStatus::Failed, true, false));
        assert_eq!(judged(|r| r.error = 1), (RunStatus::Failed, true, false));
        assert_eq!(
            judged(|r| r.failures.push(shared::run::RunFailure::default())),
            (RunStatus::Failed, true, false)
        );
    }

    #[test]
    fn a_run_without_a_single_case_has_no_tests() {
        assert_eq!(
            judged(|r| r.cases = Some(vec![])),
            (RunStatus::NoTests, true, false)
        );
    }

    #[test]
    fn a_green_claim_over_red_cases_is_a_contradiction() {
        for bad in [
            Outcome::Failed,
            Outcome::Error,
            Outcome::Crashed,
            Outcome::Timeout,
        ] {
            let verdict = judged(|r| {
                r.status = Some(RunStatus::Passed);
                r.cases = Some(cases(&[Outcome::Passed, bad]));
            });
            assert_eq!(verdict, (RunStatus::Failed, true, true), "{bad}");
        }
    }

    #[test]
    fn a_run_that_is_not_whole_is_never_green() {
        let unfinished = judged(|r| {
            r.status = Some(RunStatus::Passed);
            r.finished = false;
            r.cases = Some(cases(&[Outcome::Passed]));
        });
        assert_eq!(unfinished, (RunStatus::Crashed, false, true));
        let missing = judged(|r| {
            r.status = Some(RunStatus::Passed);
            r.collected = Some(2);
            r.cases = Some(cases(&[Outcome::Passed]));
        });
        assert_eq!(missing, (RunStatus::Interrupted, false, true));
        let incomplete = judged(|r| {
            r.complete = Some(false);
            r.cases = Some(cases(&[Outcome::Passed]));
        });
        assert_eq!(incomplete, (RunStatus::Interrupted, false, false));
    }

    #[test]
    fn any_other_claim_stands() {
        let verdict = judged(|r| {
            r.status = Some(RunStatus::Lost);
            r.cases = Some(cases(&[Outcome::Passed]));
        });
        assert_eq!(verdict, (RunStatus::Lost, true, false));
    }

    #[test]
    fn an_exit_code_can_spoil_a_green_report() {
        let verdict = judged(|r| {
            r.status = Some(RunStatus::Passed);
            r.exit_code = Some(1);
            r.cases = Some(cases(&[Outcome::Passed]));
        });
        assert_eq!(verdict, (RunStatus::Failed, true, true));
    }

    #[test]
    fn a_hook_that_raised_after_good_tests_explains_the_exit_code() {
        let verdict = judged(|r| {
            r.status = Some(RunStatus::Passed);
            r.exit_code = Some(1);
            r.cases = Some(cases(&[Outcome::Passed]));
            r.problems.push(Problem {
                kind: ProblemKind::InternalError,
                place: String::new(),
                text: "the session's end raised".to_owned(),
            });
        });
        assert_eq!(verdict, (RunStatus::Passed, true, false));
    }
}
