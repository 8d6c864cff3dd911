//! How an attempt ended, by its worker's exit code and the run that the worker saved.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use shared::job::JobErrorKind;
use shared::lease::{AttemptEnding, FinishAttempt};
use shared::limits::JOB_ERROR_BYTES_MAX;
use shared::run::NewRun;
use shared::status::RunStatus;
use shared::text::cut_in_place;

use crate::agent::steps::StepFailure;
use crate::exit::{self, Ended};
use crate::report;

/// The run that `--save` wrote, where it did.
pub(super) fn saved(path: &Path) -> Option<NewRun> {
    let file = File::open(path).ok()?;
    serde_json::from_reader(BufReader::new(file)).ok()
}

/// What a run came to, in a few words.
pub(super) fn words(run: &NewRun) -> String {
    let counts = report::counts(run);
    match run.status {
        None | Some(RunStatus::Passed | RunStatus::Failed | RunStatus::NoTests) => counts,
        Some(status) => format!("{}: {counts}", status.as_str().replace('_', " ")),
    }
}

/// What to tell of a worker that ended so.
pub(super) fn of_run(ended: Ended, saved: Option<&NewRun>) -> FinishAttempt {
    let code = ended.code();
    let Some(saved) = saved else {
        return match code {
            Some(code) if code == i32::from(exit::TIMED_OUT) => ended_as(AttemptEnding::TimedOut),
            _ => error(&StepFailure::subprocess(without_run(ended))),
        };
    };
    let ending = match saved.status {
        Some(RunStatus::Passed) if code == Some(0) => AttemptEnding::Passed,
        Some(RunStatus::Timeout) => AttemptEnding::TimedOut,
        _ if code == Some(i32::from(exit::TIMED_OUT)) => AttemptEnding::TimedOut,
        _ => AttemptEnding::Failed,
    };
    FinishAttempt {
        exit_code: saved.exit_code,
        ..ended_as(ending)
    }
}

fn without_run(ended: Ended) -> String {
    const WAY_OUT: &str = "the end of the job's log says more";
    match ended {
        Ended::Code(code) if code == i32::from(exit::NO_PYTHON) => {
            format!("there is no Python to run the tests with; {WAY_OUT}")
        }
        Ended::Code(code) => format!(
            "pytest could not be run, or did not say what it did (exit code {code}); {WAY_OUT}"
        ),
        Ended::Signal(_) => {
            let signal = ended.signal_name().unwrap_or_default();
            format!("the worker that ran pytest was ended by {signal}; {WAY_OUT}")
        }
    }
}

/// Without further words.
pub(super) const fn ended_as(ending: AttemptEnding) -> FinishAttempt {
    FinishAttempt {
        ending,
        error_kind: None,
        error: None,
        exit_code: None,
    }
}

/// It could not be carried out.
pub(super) fn error(failure: &StepFailure) -> FinishAttempt {
    let mut text = failure.text.clone();
    cut_in_place(&mut text, JOB_ERROR_BYTES_MAX);
    FinishAttempt {
        error_kind: Some(failure.kind),
        error: Some(text),
        ..ended_as(AttemptEnding::Error)
    }
}

/// The process of the attempt is there and says nothing.
pub(super) fn without_answer() -> FinishAttempt {
    error(&StepFailure::subprocess(
        "the agent's process for this job no longer answered (it may have been stopped); it and \
         everything that it started was ended",
    ))
}

/// The process of the attempt itself did not report its end.
pub(super) fn without_report(ended: Option<Ended>) -> FinishAttempt {
    let how = match ended {
        Some(Ended::Signal(number)) => format!("was ended by {}", exit::signal_name(number)),
        Some(Ended::Code(code)) => format!("ended with exit code {code}"),
        None => "was lost sight of".to_owned(),
    };
    let text =
        format!("the agent's process for this job {how}; everything that it started was ended");
    error(&StepFailure {
        kind: JobErrorKind::Subprocess,
        text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(status: RunStatus, exit_code: i32) -> NewRun {
        NewRun {
            status: Some(status),
            exit_code: Some(exit_code),
            ..NewRun::default()
        }
    }

    #[test]
    fn only_a_run_that_passed_is_passed() {
        let of = |code, status| of_run(Ended::Code(code), Some(&run(status, code))).ending;
        assert_eq!(of(0, RunStatus::Passed), AttemptEnding::Passed);
        assert_eq!(of(1, RunStatus::Passed), AttemptEnding::Failed);
        assert_eq!(of(0, RunStatus::Crashed), AttemptEnding::Failed);
        assert_eq!(of(5, RunStatus::NoTests), AttemptEnding::Failed);
        assert_eq!(of(124, RunStatus::Timeout), AttemptEnding::TimedOut);
        assert_eq!(of(124, RunStatus::Interrupted), AttemptEnding::TimedOut);
        let killed = of_run(Ended::Signal(9), Some(&run(RunStatus::Passed, 0)));
        assert_eq!(killed.ending, AttemptEnding::Failed);
    }

    #[test]
    fn without_a_run_it_could_not_be_carried_out() {
        for (ended, words) in [
            (Ended::Code(127), "no Python"),
            (Ended::Code(3), "exit code 3"),
            (Ended::Signal(9), "SIGKILL"),
        ] {
            let finish = of_run(ended, None);
            assert_eq!(finish.ending, AttemptEnding::Error);
            assert_eq!(finish.error_kind, Some(JobErrorKind::Subprocess));
            assert!(finish.error.unwrap().contains(words));
        }
        let finish = of_run(Ended::Code(124), None);
        assert_eq!(finish.ending, AttemptEnding::TimedOut);
    }

    #[test]
    fn a_run_is_told_in_a_few_words() {
        assert_eq!(words(&run(RunStatus::NoTests, 5)), "no tests ran");
        assert_eq!(words(&run(RunStatus::Crashed, 1)), "crashed: no tests ran");
    }
}
