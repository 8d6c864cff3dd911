//! `run`: pytest as a child of the worker.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use crate::agent::attempt::Supervision;
use crate::aggregate::{Ending, Run};
use crate::cli::RunArguments;
use crate::config::Settings;
use crate::deliver::{Preparations, deliver, leave, quoted};
use crate::events::{Heard, Listener, locked};
use crate::journal::{Beginning, Journal};
use crate::pytest::{Finished, Interpreter, Launch, Limits, Pytest, STOP_GRACE};
use crate::stream::Labels;
use crate::{exit, report};

/// Even whoever stops the worker waits this long for the upload.
const UPLOAD_MIN: Duration = Duration::from_secs(1);

/// What Python says when there is no pytest.
const NO_PYTEST: &str = "No module named pytest";

/// Options with which pytest answers a question and runs no test. There is nothing to report then.
const QUESTIONS: [&str; 9] = [
    "--help",
    "-h",
    "--version",
    "-V",
    "--fixtures",
    "--funcargs",
    "--fixtures-per-test",
    "--markers",
    "--cache-show",
];

/// Runs pytest, reports, and answers with pytest's exit code.
pub fn run(arguments: &RunArguments) -> ExitCode {
    let supervision = match Supervision::of(arguments) {
        Ok(supervision) => supervision,
        Err(error) => {
            report::say(&format!("the agent did not say what to do: {error}"));
            return ExitCode::from(exit::WORKER_FAILED);
        }
    };
    let settings = match &supervision {
        Some(supervision) => supervision.settings(&arguments.options),
        None => Settings::of_this_process(&arguments.options),
    };
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
    let launch = Launch {
        python: &python,
        python_arguments: &arguments.python_arg,
        arguments: &arguments.pytest_arguments,
        memory: settings.memory.value,
        guarded: supervision.as_ref().map(Supervision::guarded),
    };
    run_pytest(&settings, &launch)
}

fn run_pytest(settings: &Settings, launch: &Launch) -> ExitCode {
    let (mut pytest, pipe) = match Pytest::start(launch) {
        Ok(started) => started,
        Err(error) => {
            report::say(&error.to_string());
            return ExitCode::from(exit::WORKER_FAILED);
        }
    };
    let limits = Limits {
        run: settings.run_timeout.as_ref().map(|limit| limit.value),
        stall: settings.stall_timeout.as_ref().map(|limit| limit.value),
    };
    if let Some(reason) = pytest.unheard() {
        pytest.limit(limits, || false);
        return unreported(pytest, &reason, launch.arguments);
    }
    let command = command(launch);
    let beginning = Beginning {
        command: Some(command.clone()),
        started_at: Some(pytest.started_at()),
    };
    let journal = if settings.is_offline {
        Journal::none()
    } else {
        Journal::begin(settings, beginning)
    };
    let listener = Listener::start(pipe, journal.clone());
    let heard = listener.shared();
    pytest.limit(limits, move || locked(&heard).run.is_in_session());
    let started_at = pytest.started_at();
    let mut preparations = (!settings.is_offline).then(|| {
        if asks_only(launch.arguments) {
            return Preparations::start(settings, journal.clone());
        }
        let labels = Labels {
            settings: settings.clone(),
            command: Some(command.clone()),
            started_at: Some(started_at),
        };
        Preparations::start_streaming(labels, journal.clone(), listener.shared())
    });
    let finished = match waited(pytest) {
        Ok(finished) => finished,
        Err(code) => return code,
    };
    if let Some(preparations) = &mut preparations {
        preparations.hear_impatience();
    }
    let heard = listener.finish();
    let code = ExitCode::from(exit_code(&finished));
    if !heard.hello && finished.log_tail.contains(NO_PYTEST) {
        journal.discard();
        say_no_pytest(launch.python);
        return code;
    }
    if asks_only(launch.arguments) {
        journal.discard();
        return code;
    }
    let timeout = upload_timeout(settings, &finished);
    let (run, ending) = ending(heard, finished);
    journal.end(&ending, &command);
    let run = run.finish(ending);
    match preparations {
        Some(preparations) => deliver(settings, preparations, run, &command, timeout),
        None => leave(settings, run, &command),
    }
    code
}

/// How long the upload may take: who told the worker to stop has waited for pytest's end already.
fn upload_timeout(settings: &Settings, finished: &Finished) -> Duration {
    let timeout = settings.upload_timeout.value;
    match finished.stopped {
        Some((_, at)) => timeout.min(STOP_GRACE.saturating_sub(at.elapsed()).max(UPLOAD_MIN)),
        None => timeout,
    }
}

/// pytest's own exit code, as far as it tells the whole story.
fn exit_code(finished: &Finished) -> u8 {
    if let Some(error) = &finished.output_lost {
        report::say(&format!("pytest's output could not be written: {error}"));
    }
    let code = finished.ended.exit_code();
    if finished.limit.is_some() {
        exit::TIMED_OUT
    } else if code == 0 && finished.output_lost.is_some() {
        exit::OUTPUT_LOST
    } else {
        code
    }
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
    ExitCode::from(exit_code(&finished))
}

fn asks_only(pytest_arguments: &[OsString]) -> bool {
    pytest_arguments
        .iter()
        .take_while(|argument| *argument != "--")
        .any(|argument| QUESTIONS.iter().any(|question| argument == question))
}

fn ending(heard: Heard, finished: Finished) -> (Run, Ending) {
    let ending = Ending {
        exit_code: finished.ended.code(),
        signal: finished.ended.signal_name(),
        timed_out: finished.limit.is_some(),
        limit: finished.limit.unwrap_or_default(),
        stopped_by: finished
            .stopped
            .map(|(signal, _)| exit::signal_name(signal)),
        pipe_closed_early: heard.pipe_closed_early,
        worker_slept: heard.slept,
        started_at: Some(finished.started_at),
        finished_at: Some(finished.finished_at),
        duration_s: finished.duration_s,
        log_tail: finished.log_tail,
        reader_problems: heard.problems,
        ..Ending::default()
    };
    (heard.run, ending)
}

fn say_no_pytest(python: &Interpreter) {
    let (path, source) = (python.path.display(), &python.source);
    report::say(&format!(
        "{path} (from {source}) has no pytest, so nothing ran and nothing was reported; \
         install it with `{path} -m pip install pytest`, or choose a Python with --python"
    ));
}

fn command(launch: &Launch) -> String {
    let words = [OsString::from("-m"), "pytest".into()];
    let python_arguments = launch.python_arguments.iter();
    let given = python_arguments.chain(&words).chain(launch.arguments);
    quoted(
        std::iter::once(launch.python.path.to_string_lossy())
            .chain(given.map(|argument| argument.to_string_lossy())),
    )
}
