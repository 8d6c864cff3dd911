//! The closing line: what happened, where it is now, and what to do if it is not.

use std::fmt::Write as _;
use std::io::Write as _;

use shared::run::NewRun;
use shared::status::RunStatus;

use crate::aggregate::Summary;
use crate::deliver::Kept;
use crate::uploader::{Delivered, UploadError};

/// Says a line on standard error, where no program takes it for pytest's own.
pub fn say(text: &str) {
    // Nobody listens when it is closed.
    let _ = writeln!(std::io::stderr().lock(), "pytest-platform: {text}");
}

/// What the run counts, in pytest's order and words.
pub fn counts(run: &NewRun) -> String {
    let summary = Summary::of_run(run);
    let interrupted = interrupted(run).min(summary.crashed);
    let said: Vec<String> = [
        (summary.crashed - interrupted, "crashed"),
        (interrupted, "interrupted"),
        (summary.timeout, "timed out"),
        (summary.failed, "failed"),
        (summary.subtests_failed, "subtests failed"),
        (summary.passed, "passed"),
        (summary.subtests_passed, "subtests passed"),
        (summary.skipped, "skipped"),
        (summary.subtests_skipped, "subtests skipped"),
        (summary.xfailed, "xfailed"),
        (summary.xpassed, "xpassed"),
        (summary.error, "error"),
        (summary.rerun, "rerun"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, words)| match (count, words) {
        (2.., "error") => format!("{count} errors"),
        (1, words) => format!("1 {}", words.replace("subtests", "subtest")),
        _ => format!("{count} {words}"),
    })
    .collect();
    if said.is_empty() {
        "no tests ran".to_owned()
    } else {
        said.join(", ")
    }
}

/// Tests that a session left unfinished when it ended in order: after Ctrl-C or `pytest.exit` no
/// process died, although their cases say no more than that they were not finished.
fn interrupted(run: &NewRun) -> u64 {
    if run.finished && run.signal.is_none() {
        run.running_count
    } else {
        0
    }
}

/// The run in half a sentence: `crashed (SIGSEGV): 3 passed in 2.1 s`.
pub fn verdict(run: &NewRun) -> String {
    let mut text = String::new();
    // The counts say by themselves that tests passed or failed.
    if let Some(status) = run.status
        && !matches!(
            status,
            RunStatus::Passed | RunStatus::Failed | RunStatus::NoTests
        )
    {
        text.push_str(&status.as_str().replace('_', " "));
        if let Some(signal) = &run.signal {
            let _ = write!(text, " ({signal})");
        }
        text.push_str(": ");
    }
    let _ = write!(text, "{} in {:.1} s", counts(run), run.duration);
    text
}

/// The closing line.
pub fn closing_line(
    run: &NewRun,
    link: &str,
    upload: &Result<Delivered, UploadError>,
    kept: &Kept,
) -> String {
    let mut text = verdict(run);
    match upload {
        Ok(delivered) => {
            let _ = write!(text, ", uploaded {link} ({:.2} s)", delivered.seconds);
        }
        Err(error) => {
            let _ = write!(text, ", NOT uploaded: {error}");
        }
    }
    if upload.is_err() {
        match kept {
            Kept::InJournal => text.push_str(
                "; kept, it goes with the next run or with: pytest-platform-worker flush",
            ),
            Kept::InFile(path) => {
                let path = path.display();
                let _ = write!(
                    text,
                    "; kept, send it with: pytest-platform-worker send '{path}'"
                );
            }
            Kept::Nowhere => text.push_str("; it is NOT kept"),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::case::NewCase;
    use shared::outcome::Outcome;

    fn run(outcomes: &[Outcome]) -> NewRun {
        let cases = outcomes.iter().map(|outcome| NewCase::new("t", *outcome));
        NewRun {
            cases: Some(cases.collect()),
            duration: 12.34,
            ..NewRun::default()
        }
    }

    #[test]
    fn an_uploaded_run_is_told_with_its_link() {
        let run = run(&[Outcome::Passed, Outcome::Passed, Outcome::Failed]);
        let uploaded = Ok(Delivered { seconds: 0.021 });
        assert_eq!(
            closing_line(&run, "http://m/results/1", &uploaded, &Kept::Nowhere),
            "1 failed, 2 passed in 12.3 s, uploaded http://m/results/1 (0.02 s)"
        );
    }

    #[test]
    fn a_run_that_stayed_here_is_told_with_what_to_do() {
        let mut run = run(&[Outcome::Passed, Outcome::Crashed]);
        run.status = Some(RunStatus::Crashed);
        run.signal = Some("SIGSEGV".into());
        let error = Err(UploadError::TimedOut(10.0));
        assert_eq!(
            closing_line(&run, "", &error, &Kept::InFile("/s/1.json".into())),
            "crashed (SIGSEGV): 1 crashed, 1 passed in 12.3 s, NOT uploaded: the upload took \
             longer than 10.0 s; kept, send it with: pytest-platform-worker send '/s/1.json'"
        );
    }

    #[test]
    fn errors_of_collection_and_of_tests_count_together_as_pytest_counts_them() {
        let mut run = run(&[Outcome::Passed]);
        run.cases.as_mut().unwrap()[0].outcomes = Some(vec![Outcome::Passed, Outcome::Error]);
        run.collection_errors = 1;
        assert_eq!(counts(&run), "1 passed, 2 errors");
        assert_eq!(counts(&NewRun::default()), "no tests ran");
    }

    #[test]
    fn a_test_that_ctrl_c_ended_is_interrupted_and_one_that_took_its_process_along_crashed() {
        let mut run = run(&[Outcome::Passed, Outcome::Crashed]);
        run.status = Some(RunStatus::Interrupted);
        run.finished = true;
        run.running_count = 1;
        assert_eq!(
            verdict(&run),
            "interrupted: 1 interrupted, 1 passed in 12.3 s"
        );
        run.finished = false;
        assert_eq!(counts(&run), "1 crashed, 1 passed");
    }
}
