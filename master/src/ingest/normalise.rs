//! Making a run whole: what follows is filled in, what is too long is cut. Pure: the time of receipt
//! comes from outside.

use chrono::{DateTime, Utc};
use shared::case::NewCase;
use shared::limits;
use shared::outcome::Outcome;
use shared::run::{NewRun, RunFailure};
use shared::text::cut_in_place;

use super::counts::{Counts, percent};
use super::verdict::{self, Verdict};
use crate::store::details::Details;
use crate::store::hash::Hash16;
use crate::store::runs::NewRunRow;

/// A run with nothing left to be decided.
#[derive(Debug)]
pub(super) struct NormalRun {
    /// Its row; the content hash is still to come.
    pub(super) row: NewRunRow,
    pub(super) details: Details,
    /// Whether the client said when the run was.
    pub(super) has_timestamp: bool,
    /// `None` when the client sent only counts.
    pub(super) cases: Option<Vec<NewCase>>,
    /// Failures as they were sent; empty when there are cases.
    pub(super) failures: Vec<RunFailure>,
}

/// Makes a valid run whole.
pub(super) fn run(mut run: NewRun, received_at: DateTime<Utc>) -> NormalRun {
    run.cases.iter_mut().flatten().for_each(tidy_case);
    let counts = run.cases.as_deref().map(Counts::of);
    let verdict = verdict::of(&run, counts.as_ref());
    tidy_texts(&mut run, &verdict);
    let row = row(&mut run, counts.as_ref(), &verdict, received_at);
    let cases = run.cases.take();
    let failures = match cases {
        Some(_) => Vec::new(),
        None => std::mem::take(&mut run.failures),
    };
    NormalRun {
        row,
        has_timestamp: run.timestamp.is_some(),
        details: details(run, &counts.unwrap_or_default()),
        cases,
        failures,
    }
}

/// The worst of what a case says of itself is its outcome; its texts keep to their limits.
pub(super) fn tidy_case(case: &mut NewCase) {
    if !matches!(case.outcome, Outcome::Timeout | Outcome::Crashed) {
        let counted = case.outcomes.as_deref().and_then(Outcome::worst);
        case.outcome = counted.map_or(case.outcome, |worst| worst.max(case.outcome));
        if case.subtests_failed > 0 {
            case.outcome = case.outcome.max(Outcome::Failed);
        }
    }
    if let Some(message) = &mut case.message {
        cut_in_place(message, limits::MESSAGE_BYTES_MAX);
    }
    for failure in &mut case.failures {
        cut_in_place(&mut failure.phase, limits::NAME_BYTES_MAX);
        if let Some(context) = &mut failure.context {
            cut_in_place(context, limits::NAME_BYTES_MAX);
        }
        cut_in_place(&mut failure.message, limits::MESSAGE_BYTES_MAX);
        cut_in_place(&mut failure.traceback, limits::TRACEBACK_BYTES_MAX);
        cut_in_place(&mut failure.stdout, limits::CAPTURED_BYTES_MAX);
        cut_in_place(&mut failure.stderr, limits::CAPTURED_BYTES_MAX);
        cut_in_place(&mut failure.log, limits::CAPTURED_BYTES_MAX);
    }
}

fn tidy_texts(run: &mut NewRun, verdict: &Verdict) {
    run.problems.extend(verdict.contradiction.clone());
    for problem in &mut run.problems {
        cut_in_place(&mut problem.place, limits::NODEID_BYTES_MAX);
        cut_in_place(&mut problem.text, limits::PROBLEM_TEXT_BYTES_MAX);
    }
    for failure in &mut run.failures {
        cut_in_place(&mut failure.message, limits::MESSAGE_BYTES_MAX);
    }
    cut_in_place(&mut run.log_tail, limits::LOG_TAIL_BYTES_MAX);
    cut_in_place(&mut run.command, limits::COMMAND_BYTES_MAX);
}

fn row(
    run: &mut NewRun,
    counts: Option<&Counts>,
    verdict: &Verdict,
    received_at: DateTime<Utc>,
) -> NewRunRow {
    let count = |outcome, sent: u64, at_collection: u64| {
        counts.map_or(sent, |counts| counts.occurrences(outcome) + at_collection) as i64
    };
    NewRunRow {
        content_hash: Hash16::NONE,
        status: verdict.status.as_str(),
        complete: verdict.complete,
        timestamp_us: run.timestamp.unwrap_or(received_at).timestamp_micros(),
        received_us: received_at.timestamp_micros(),
        passed: count(Outcome::Passed, run.passed, 0),
        failed: count(Outcome::Failed, run.failed, 0),
        error: count(Outcome::Error, run.error, run.collection_errors),
        skipped: count(Outcome::Skipped, run.skipped, run.collection_skips),
        total: counts.map_or(run.total, Counts::total) as i64,
        duration_s: run.duration,
        pass_rate: counts.map_or_else(|| sent_pass_rate(run), Counts::pass_rate),
        run_id: std::mem::take(&mut run.run_id),
        worker_id: std::mem::take(&mut run.worker_id),
        project: std::mem::take(&mut run.project),
        branch: std::mem::take(&mut run.branch),
        commit: std::mem::take(&mut run.commit),
    }
}

/// The pass rate as it was sent, else of the total, else of what the counts add up to.
fn sent_pass_rate(run: &NewRun) -> f64 {
    let sum = run.passed + run.failed + run.error + run.skipped;
    let whole = if run.total > 0 { run.total } else { sum };
    run.pass_rate.unwrap_or_else(|| percent(run.passed, whole))
}

fn details(run: NewRun, counts: &Counts) -> Details {
    Details {
        exit_code: run.exit_code,
        signal: run.signal,
        unfinished: !run.finished,
        collected: run.collected,
        deselected: run.deselected,
        reported: counts.total(),
        xfailed: counts.occurrences(Outcome::Xfailed),
        xpassed: counts.occurrences(Outcome::Xpassed),
        rerun: counts.occurrences(Outcome::Rerun),
        subtests_passed: counts.subtests_passed,
        subtests_failed: counts.subtests_failed,
        collection_errors: run.collection_errors,
        collection_skips: run.collection_skips,
        running_count: run.running_count.max(run.running.len() as u64),
        running: run.running,
        not_run_count: run.not_run_count.max(run.not_run.len() as u64),
        not_run: run.not_run,
        problems: run.problems,
        log_tail: run.log_tail,
        dirty: run.dirty,
        variant: run.variant,
        python: run.python,
        pytest: run.pytest,
        platform: run.platform,
        plugins: run.plugins,
        command: run.command,
        ci: run.ci,
        started_us: run.started_at.map(|moment| moment.timestamp_micros()),
        finished_us: run.finished_at.map(|moment| moment.timestamp_micros()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(body: &str) -> NormalRun {
        run(serde_json::from_str(body).unwrap(), DateTime::UNIX_EPOCH)
    }

    #[test]
    fn counts_follow_from_the_cases_whatever_was_sent() {
        let run = normal(
            r#"{"run_id": "r", "worker_id": "w", "passed": 77, "total": 99, "collection_skips": 2,
                "cases": [{"nodeid": "a", "outcome": "passed"}, {"nodeid": "b", "outcome": "failed"}]}"#,
        );
        let row = run.row;
        assert_eq!(
            (row.passed, row.failed, row.skipped, row.total),
            (1, 1, 2, 2)
        );
        assert_eq!((row.status, row.pass_rate), ("failed", 50.0));
    }

    #[test]
    fn counts_without_cases_stay_as_they_were_sent() {
        let run = normal(r#"{"run_id": "r", "worker_id": "w", "passed": 3, "failed": 1}"#);
        assert_eq!((run.row.passed, run.row.total), (3, 0));
        assert!((run.row.pass_rate - 75.0).abs() < f64::EPSILON);
        let run = normal(r#"{"run_id": "r", "worker_id": "w", "passed": 3, "pass_rate": 12.5}"#);
        assert!((run.row.pass_rate - 12.5).abs() < f64::EPSILON);
    }

    #[test]
    fn the_worst_of_what_a_case_says_is_its_outcome() {
        let run = normal(
            r#"{"run_id": "r", "worker_id": "w", "cases": [
                {"nodeid": "a", "outcome": "passed", "outcomes": ["passed", "error"]},
                {"nodeid": "b", "outcome": "passed", "subtests_failed": 1}]}"#,
        );
        let outcomes: Vec<_> = run.cases.unwrap().iter().map(|case| case.outcome).collect();
        assert_eq!(outcomes, [Outcome::Error, Outcome::Failed]);
    }

    #[test]
    fn long_texts_are_cut_visibly() {
        let long = "x".repeat(limits::TRACEBACK_BYTES_MAX + 1);
        let body = format!(
            r#"{{"run_id": "r", "worker_id": "w", "cases": [{{"nodeid": "a", "outcome": "failed",
                "failures": [{{"phase": "call", "traceback": "{long}"}}]}}]}}"#
        );
        let cases = normal(&body).cases.unwrap();
        let traceback = &cases[0].failures[0].traceback;
        assert!(traceback.len() <= limits::TRACEBACK_BYTES_MAX && traceback.contains("bytes cut"));
    }
}
