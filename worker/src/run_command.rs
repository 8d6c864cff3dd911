//! `run`: pytest as a child of the worker.

use std::ffi::OsString;
use std::process::ExitCode;

use shared::run::Problem;

use crate::aggregate::Ending;
use crate::cli::RunArguments;
use crate::config::Settings;
use crate::deliver::{Preparations, deliver, quoted};
use crate::events::Listener;
use crate::journal::{Beginning, Journal};
use crate::pytest::{Finished, Interpreter, Pytest, TERMINATION_GRACE};
use crate::stream::Labels;
use crate::{exit, report};

/// What Python says when there is no pytest.
const NO_PYTEST: &str = "No module named pytest";

/// Options with which pytest answers a question and runs no test. There is nothing to report then.
const QUESTIONS: [&str; 11] = [
    "--help",
    "-h",
    "--version",
    "-V",
    "--collect-only",
    "--co",
    "--fixtures",
    "--funcargs",
    "--fixtures-per-test",
    "--markers",
    "--cache-show",
];

/// Runs pytest, reports, and answers with pytest's exit code.
pub fn run(arguments: &RunArguments) -> ExitCode {
    let settings = Settings::of_this_process(&arguments.options);
    if !settings.quiet.value {
        for problem in &settings.problems {
            report::say(&format!("warning: {problem}"));
        }
    }
    let python = match Interpreter::find(settings.python.as_ref()) {
        Ok(python) => python,
        Err(error) => {
            report::say(&error.to_string());
            return ExitCode::from(exit::NO_PYTHON);
        }
    };
    let (pytest, pipe) = match Pytest::start(&python, &arguments.pytest_arguments) {
        Ok(started) => started,
        Err(error) => {
            report::say(&error.to_string());
            return ExitCode::from(exit::WORKER_FAILED);
        }
    };
    if let Some(reason) = pytest.unheard() {
        return unreported(pytest, &reason, &arguments.pytest_arguments);
    }
    let command = command(&python, arguments);
    let beginning = Beginning {
        command: Some(command.clone()),
        started_at: Some(pytest.started_at()),
    };
    let journal = Journal::begin(&settings, beginning);
    let listener = Listener::start(pipe, journal.clone());
    let preparations = if asks_only(&arguments.pytest_arguments) {
        Preparations::start(&settings, journal.clone())
    } else {
        let labels = Labels {
            settings: settings.clone(),
            command: Some(command.clone()),
            started_at: Some(pytest.started_at()),
        };
        Preparations::start_streaming(labels, journal.clone(), listener.shared())
    };
    let finished = match waited(pytest) {
        Ok(finished) => finished,
        Err(code) => return code,
    };
    let heard = listener.finish();
    let ended = finished.ended;
    if !heard.hello && finished.log_tail.contains(NO_PYTEST) {
        journal.discard();
        say_no_pytest(&python);
        return ExitCode::from(ended);
    }
    if asks_only(&arguments.pytest_arguments) {
        journal.discard();
        return ExitCode::from(ended);
    }
    let timeout = match finished.stopped_by {
        Some(_) => settings.upload_timeout.value.min(TERMINATION_GRACE),
        None => settings.upload_timeout.value,
    };
    let (run, ending) = (heard.run, ending(heard.problems, finished));
    journal.end(&ending, &command);
    let run = run.finish(ending);
    deliver(&settings, preparations, run, &command, timeout);
    ExitCode::from(ended)
}

fn waited(pytest: Pytest) -> Result<Finished, ExitCode> {
    pytest.wait().map_err(|error| {
        report::say(&format!("lost sight of pytest: {error}"));
        ExitCode::from(exit::WORKER_FAILED)
    })
}

/// The tests run, and of what they did only the exit code is known. That is said even by a quiet
/// worker: there is no other trace of it.
fn unreported(pytest: Pytest, reason: &str, pytest_arguments: &[OsString]) -> ExitCode {
    let finished = match waited(pytest) {
        Ok(finished) => finished,
        Err(code) => return code,
    };
    if !asks_only(pytest_arguments) {
        report::say(&format!(
            "NOT REPORTED: the tests ran without the plugin, which could be written nowhere \
             ({reason}); set TMPDIR to a folder that can be written"
        ));
    }
    ExitCode::from(finished.ended)
}

fn asks_only(pytest_arguments: &[OsString]) -> bool {
    pytest_arguments
        .iter()
        .take_while(|argument| *argument != "--")
        .any(|argument| QUESTIONS.iter().any(|question| argument == question))
}

fn ending(reader_problems: Vec<Problem>, finished: Finished) -> Ending {
    Ending {
        exit_code: finished.ended.code(),
        signal: finished.ended.signal_name(),
        started_at: Some(finished.started_at),
        finished_at: Some(finished.finished_at),
        duration_s: finished.duration_s,
        log_tail: finished.log_tail,
        reader_problems,
        ..Ending::default()
    }
}

fn say_no_pytest(python: &Interpreter) {
    let (path, source) = (python.path.display(), &python.source);
    report::say(&format!(
        "{path} (from {source}) has no pytest, so nothing ran and nothing was reported; \
         install it with `{path} -m pip install pytest`, or choose a Python with --python"
    ));
}

fn command(python: &Interpreter, arguments: &RunArguments) -> String {
    let words = ["-m".into(), "pytest".into()];
    let given = arguments.pytest_arguments.iter();
    quoted(
        std::iter::once(python.path.to_string_lossy())
            .chain(words)
            .chain(given.map(|argument| argument.to_string_lossy())),
    )
}
