//! The verdict on a run, in one word, one sentence and a tone.

use shared::run::{ProblemKind, Run};
use shared::status::RunStatus;

use super::figures::{count, of};
use super::going_on;
use crate::untrusted;

/// How a verdict feels; decides colour and sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Passed.
    Good,
    /// Tests failed.
    Bad,
    /// The process broke: nobody knows the whole truth.
    Broken,
    /// Something is missing.
    Gap,
    /// Nothing to judge.
    Idle,
    /// Not over yet.
    Live,
}

impl Tone {
    /// Its name in style sheets.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Broken => "broken",
            Self::Gap => "gap",
            Self::Idle => "idle",
            Self::Live => "live",
        }
    }

    /// The tone of a status, such as the master's word for it in a trend.
    pub fn of(status: RunStatus) -> Self {
        match status {
            RunStatus::Passed => Self::Good,
            RunStatus::Failed | RunStatus::Error => Self::Bad,
            RunStatus::Crashed | RunStatus::InternalError => Self::Broken,
            RunStatus::Interrupted | RunStatus::Timeout | RunStatus::Lost => Self::Gap,
            RunStatus::NoTests | RunStatus::UsageError => Self::Idle,
            RunStatus::Running => Self::Live,
        }
    }
}

/// The verdict on a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// One or two words, such as `Crashed`.
    pub word: &'static str,
    /// One sentence without a full stop, such as `3 of 412 tests failed`.
    pub headline: String,
    /// What else has to be known at once: what is missing, what was running.
    pub details: Vec<String>,
    /// How it feels.
    pub tone: Tone,
}

/// Judges a run.
pub fn of_run(run: &Run) -> Verdict {
    let gap = missing(run);
    let mut details = Vec::new();
    let (word, headline) = match run.status {
        RunStatus::Passed => ("Passed", passed_headline(run)),
        RunStatus::Failed => ("Failed", failed_headline(run)),
        RunStatus::Error => ("Collection error", collection_headline(run)),
        RunStatus::NoTests => ("No tests", no_tests_headline(run)),
        RunStatus::UsageError => (
            "Usage error",
            "pytest refused its command line or configuration".into(),
        ),
        RunStatus::InternalError => (
            "Internal error",
            "pytest, a plugin or a conftest raised outside of a test".into(),
        ),
        RunStatus::Interrupted => ("Interrupted", "Stopped before its end".into()),
        RunStatus::Timeout => ("Timed out", "Ended by the time limit".into()),
        RunStatus::Crashed => ("Crashed", crashed_headline(run)),
        RunStatus::Lost => ("Lost", "The worker went silent".into()),
        RunStatus::Running => ("Running", running_headline(run)),
    };
    let tone = match Tone::of(run.status) {
        Tone::Good if !run.complete => Tone::Gap,
        tone => tone,
    };
    if let Some(gap) = gap
        && run.status != RunStatus::Running
    {
        details.push(gap);
    }
    if run.status == RunStatus::Running {
        details.extend(so_far(run));
    }
    details.extend(was_running(run));
    if matches!(
        run.status,
        RunStatus::Crashed | RunStatus::Interrupted | RunStatus::Timeout | RunStatus::Lost
    ) && run.failed + run.error > 0
    {
        details.push(format!("Before that, {}", bad_counts(run)));
    }
    details.extend(contradictions(run));
    Verdict {
        word,
        headline,
        details,
        tone,
    }
}

fn passed_headline(run: &Run) -> String {
    let not_green = run.total.saturating_sub(run.passed);
    if not_green == 0 {
        return match run.total {
            1 => "The one test passed".to_owned(),
            2 => "Both tests passed".to_owned(),
            total => format!("All {} tests passed", count(total)),
        };
    }
    let mut parts = vec![format!("{} passed", count(run.passed))];
    for (number, word) in [
        (run.skipped, "skipped"),
        (run.xfailed, "failed as expected"),
        (run.xpassed, "passed unexpectedly"),
    ] {
        if number > 0 {
            parts.push(format!("{} {word}", count(number)));
        }
    }
    format!("Nothing failed: {}", parts.join(", "))
}

fn failed_headline(run: &Run) -> String {
    if run.failed + run.error == 0 {
        return "The run failed, although no test did".to_owned();
    }
    let total = run.total.max(run.failed + run.error);
    match (run.failed, run.error) {
        (failed, 0) => format!("{} of {} failed", count(failed), of(total, "test", "tests")),
        (0, error) => format!(
            "{} in {}",
            of(error, "error", "errors"),
            of(total, "test", "tests")
        ),
        (failed, error) => format!(
            "{} of {} failed, {}",
            count(failed),
            of(total, "test", "tests"),
            of(error, "error", "errors")
        ),
    }
}

fn bad_counts(run: &Run) -> String {
    match (run.failed, run.error) {
        (failed, 0) => format!("{} failed", of(failed, "test", "tests")),
        (0, error) => of(error, "error was", "errors were") + " reported",
        (failed, error) => format!(
            "{} failed and {} reported",
            of(failed, "test", "tests"),
            of(error, "error was", "errors were")
        ),
    }
}

fn collection_headline(run: &Run) -> String {
    if run.collection_errors == 0 {
        return "Collection failed, so tests are missing".to_owned();
    }
    format!(
        "{} could not be collected, so tests are missing",
        of(run.collection_errors, "file", "files")
    )
}

fn no_tests_headline(run: &Run) -> String {
    if run.deselected > 0 {
        return format!(
            "All {} were deselected",
            of(run.deselected, "test", "tests")
        );
    }
    "pytest collected nothing".to_owned()
}

fn crashed_headline(run: &Run) -> String {
    match (&run.signal, run.exit_code) {
        (Some(signal), _) => format!("pytest died of {}", untrusted::id(signal)),
        (None, Some(code)) => format!("pytest ended with exit code {code} and without a goodbye"),
        (None, None) => "pytest ended without a goodbye".to_owned(),
    }
}

/// `120 of 300 tests so far, expected to end at 12:03:10 UTC`.
fn running_headline(run: &Run) -> String {
    let far = match run.collected {
        Some(collected) => format!(
            "{} of {} so far",
            count(run.reported),
            of(collected, "test", "tests")
        ),
        None => format!("{} so far", of(run.reported, "test", "tests")),
    };
    match run.live.as_ref().and_then(going_on::expected_end) {
        Some(end) => format!("{far}, {end}"),
        None => far,
    }
}

/// What is known already of a run that goes on.
fn so_far(run: &Run) -> impl Iterator<Item = String> {
    let bad = (run.failed + run.error > 0).then(|| format!("So far, {}", bad_counts(run)));
    let heard = run.live.as_ref().map(|live| {
        format!(
            "The worker was last heard at {}",
            super::moment::time(live.heard_at)
        )
    });
    bad.into_iter().chain(heard)
}

/// `Incomplete: 312 of 400 collected tests were reported`.
pub fn missing(run: &Run) -> Option<String> {
    if run.complete {
        return None;
    }
    match run.collected {
        Some(collected) if run.reported < collected => Some(format!(
            "Incomplete: {} of {} were reported",
            count(run.reported),
            of(collected, "collected test", "collected tests")
        )),
        _ if !run.finished => Some("Incomplete: pytest did not reach its end".to_owned()),
        _ => Some("Incomplete: not every collected test was reported".to_owned()),
    }
}

/// Names what had started and never finished.
fn was_running(run: &Run) -> Option<String> {
    let first = untrusted::short_id(run.running.first()?, 300);
    let total = run.running_count.max(run.running.len() as u64);
    let verb = if run.status == RunStatus::Running {
        "Running"
    } else {
        "Was running"
    };
    Some(match total {
        1 => format!("{verb}: {first}"),
        more => format!("{verb}: {first} and {} more", count(more - 1)),
    })
}

fn contradictions(run: &Run) -> impl Iterator<Item = String> + '_ {
    run.problems
        .iter()
        .filter(|problem| problem.kind == ProblemKind::Contradiction)
        .map(|problem| untrusted::line(&problem.text, 200))
        .take(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::run_line::sample;

    #[test]
    fn an_incomplete_run_is_never_green_whatever_its_counts_say() {
        let mut run = sample::run(312, 0);
        run.complete = false;
        run.collected = Some(400);
        run.reported = 312;
        let verdict = of_run(&run);
        assert_ne!(verdict.tone, Tone::Good);
        assert_eq!(
            verdict.details,
            ["Incomplete: 312 of 400 collected tests were reported"]
        );
    }

    #[test]
    fn a_crash_names_its_signal_and_the_test_that_was_running() {
        let mut run = sample::run(10, 1);
        run.status = RunStatus::Crashed;
        run.signal = Some("SIGSEGV".into());
        run.complete = false;
        run.finished = false;
        run.running = vec!["tests/t.py::native".into()];
        let verdict = of_run(&run);
        assert_eq!(verdict.headline, "pytest died of SIGSEGV");
        assert_eq!(
            verdict.details,
            [
                "Incomplete: pytest did not reach its end",
                "Was running: tests/t.py::native",
                "Before that, 1 test failed",
            ]
        );
    }

    #[test]
    fn a_run_that_goes_on_says_how_far_it_is_and_is_never_green() {
        let verdict = of_run(&sample::running());
        assert_eq!(verdict.tone, Tone::Live);
        assert_eq!(
            verdict.headline,
            "120 of 300 tests so far, expected to end at 12:03:10 UTC"
        );
        assert_eq!(
            verdict.details,
            [
                "So far, 2 tests failed",
                "The worker was last heard at 11:59:58 UTC",
                "Running: tests/test_shop.py::test_slow",
            ]
        );
        let mut early = sample::running();
        (early.collected, early.live) = (None, None);
        assert_eq!(of_run(&early).headline, "120 tests so far");
    }

    #[test]
    fn only_a_complete_run_that_passed_is_green() {
        for status in RunStatus::ALL {
            for complete in [true, false] {
                let mut run = sample::run(5, 0);
                (run.status, run.complete) = (status, complete);
                let is_green = of_run(&run).tone == Tone::Good;
                assert_eq!(
                    is_green,
                    complete && status == RunStatus::Passed,
                    "{status}"
                );
            }
        }
    }

    #[test]
    fn counts_are_told_in_plain_words() {
        assert_eq!(of_run(&sample::run(1, 0)).headline, "The one test passed");
        assert_eq!(
            of_run(&sample::run(412, 0)).headline,
            "All 412 tests passed"
        );
        assert_eq!(
            of_run(&sample::run(409, 3)).headline,
            "3 of 412 tests failed"
        );
        let mut skipped = sample::run(5, 0);
        skipped.skipped = 2;
        skipped.total = 7;
        assert_eq!(
            of_run(&skipped).headline,
            "Nothing failed: 5 passed, 2 skipped"
        );
    }
}
