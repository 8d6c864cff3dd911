//! The closing line: what happened, where it is now, and what to do if it is not.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use shared::run::NewRun;
use shared::status::RunStatus;

use crate::aggregate::Summary;
use crate::leftovers::Earlier;
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

/// Tests that were cut short on purpose, although their cases say no more than that they were not
/// finished: the run was stopped, or a session that had a failure before ended in order after
/// Ctrl-C or `pytest.exit`.
fn interrupted(run: &NewRun) -> u64 {
    let stopped = run.status == Some(RunStatus::Interrupted);
    if stopped || (run.finished && run.signal.is_none()) {
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

/// What the closing line tells.
#[derive(Debug)]
pub struct Closing<'a> {
    /// The run.
    pub run: &'a NewRun,
    /// Where it is to be found.
    pub link: &'a str,
    /// Whether it arrived.
    pub upload: &'a Result<Delivered, UploadError>,
    /// The command that uploads it later, when its journal is whole.
    pub flush: Option<String>,
    /// The file that `--save` asked for, when it was written.
    pub saved: Option<&'a Path>,
    /// What is wrong with the journal.
    pub journal_problem: Option<String>,
    /// What became of earlier runs that were taken along.
    pub earlier: Earlier,
}

/// The closing line.
pub fn closing_line(closing: &Closing) -> String {
    let mut text = verdict(closing.run);
    let uploaded = closing.earlier.uploaded;
    match closing.upload {
        Ok(delivered) => {
            let (link, seconds) = (closing.link, delivered.seconds);
            let _ = write!(text, ", uploaded {link} ({seconds:.2} s)");
            if uploaded > 0 {
                let _ = write!(text, " and {}", earlier_runs(uploaded));
            }
        }
        Err(error) => {
            let _ = write!(text, ", NOT uploaded: {error}; {}", whereabouts(closing));
            if uploaded > 0 {
                let _ = write!(text, "; {} uploaded", earlier_runs(uploaded));
            }
        }
    }
    let refused = closing.earlier.refused;
    if refused > 0 {
        let runs = earlier_runs(refused);
        let _ = write!(
            text,
            "; {runs} REFUSED by the master and kept, see: pytest-platform-worker journal list"
        );
    }
    if let Some(problem) = &closing.journal_problem {
        let _ = write!(text, "; WARNING: {problem}");
    }
    text
}

fn earlier_runs(count: usize) -> String {
    match count {
        1 => "1 earlier run".to_owned(),
        _ => format!("{count} earlier runs"),
    }
}

/// Where a run is that did not arrive, and what to do with it.
fn whereabouts(closing: &Closing) -> String {
    match (&closing.flush, closing.saved) {
        (Some(_), _) if closing.upload.as_ref().is_err_and(UploadError::is_for_good) => {
            "kept, and not sent again by itself, see: pytest-platform-worker journal list"
                .to_owned()
        }
        (Some(flush), _) => {
            format!("kept, the next run takes it along, or send it with: {flush}")
        }
        (None, Some(path)) => {
            let path = path.display();
            format!("kept, send it with: pytest-platform-worker send '{path}'")
        }
        (None, None) => "NOT KEPT".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::SendError;
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

    fn closing<'a>(
        run: &'a NewRun,
        upload: &'a Result<Delivered, UploadError>,
        earlier: Earlier,
    ) -> Closing<'a> {
        Closing {
            run,
            link: "http://m/results/1",
            upload,
            flush: None,
            saved: None,
            journal_problem: None,
            earlier,
        }
    }

    #[test]
    fn an_uploaded_run_is_told_with_its_link() {
        let run = run(&[Outcome::Passed, Outcome::Passed, Outcome::Failed]);
        let uploaded = Ok(Delivered { seconds: 0.021 });
        let told = |earlier| closing_line(&closing(&run, &uploaded, earlier));
        assert_eq!(
            told(Earlier::default()),
            "1 failed, 2 passed in 12.3 s, uploaded http://m/results/1 (0.02 s)"
        );
        let earlier = Earlier {
            uploaded: 2,
            refused: 1,
        };
        assert!(told(earlier).ends_with(
            "(0.02 s) and 2 earlier runs; 1 earlier run REFUSED by the master and kept, see: \
                 pytest-platform-worker journal list"
        ));
    }

    #[test]
    fn a_run_that_stayed_here_is_told_with_what_to_do() {
        let mut run = run(&[Outcome::Passed, Outcome::Crashed]);
        run.status = Some(RunStatus::Crashed);
        run.signal = Some("SIGSEGV".into());
        let error = Err(UploadError::TimedOut(10.0));
        let mut closing = closing(&run, &error, Earlier::default());
        let before = "crashed (SIGSEGV): 1 crashed, 1 passed in 12.3 s, NOT uploaded: the upload \
                      took longer than 10.0 s; ";
        let told = |closing: &Closing| closing_line(closing).replace(before, "");
        closing.journal_problem = Some("the disk is full".into());
        assert_eq!(told(&closing), "NOT KEPT; WARNING: the disk is full");
        closing.journal_problem = None;
        closing.saved = Some(Path::new("/s/1.json"));
        assert_eq!(
            told(&closing),
            "kept, send it with: pytest-platform-worker send '/s/1.json'"
        );
        closing.flush = Some("pytest-platform-worker flush".into());
        assert_eq!(
            told(&closing),
            "kept, the next run takes it along, or send it with: pytest-platform-worker flush"
        );
        let refused = Err(UploadError::Send(SendError::Answered {
            url: "http://m".into(),
            status: 409,
            text: "taken".into(),
            retry_after: None,
        }));
        closing.upload = &refused;
        assert!(closing_line(&closing).ends_with(
            "409: taken; kept, and not sent again by itself, see: pytest-platform-worker journal list"
        ));
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
        run.signal = Some("SIGTERM".into());
        assert_eq!(
            verdict(&run),
            "interrupted (SIGTERM): 1 interrupted, 1 passed in 12.3 s"
        );
        run.status = Some(RunStatus::Crashed);
        assert_eq!(counts(&run), "1 crashed, 1 passed");
    }
}
