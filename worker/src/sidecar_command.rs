//! `sidecar`: the worker beside a pytest that was started without it.

use std::process::ExitCode;
use std::time::Instant;

use chrono::Utc;

use crate::aggregate::Ending;
use crate::cli::SidecarArguments;
use crate::config::Settings;
use crate::deliver::{Preparations, deliver, pytest_command, quoted};
use crate::events::Listener;
use crate::journal::{Beginning, Journal};
use crate::pytest::EventPipe;
use crate::stream::Labels;
use crate::{exit, report};

/// Reports what the plugin in the parent process says, until that ends.
pub fn sidecar(arguments: &SidecarArguments) -> ExitCode {
    let settings = Settings::of_this_process(&arguments.options);
    let pipe = match EventPipe::inherited(arguments.fd) {
        Ok(pipe) => pipe,
        Err(error) => {
            report::say(&format!("cannot read descriptor {}: {error}", arguments.fd));
            return ExitCode::from(exit::WORKER_FAILED);
        }
    };
    let (started, started_at) = (Instant::now(), Utc::now());
    let beginning = Beginning {
        command: None,
        started_at: Some(started_at),
    };
    let journal = Journal::begin(&settings, beginning);
    let listener = Listener::start(pipe, journal.clone());
    let told = &arguments.command;
    let labels = Labels {
        settings: settings.clone(),
        command: (!told.is_empty()).then(|| quoted(told.iter().map(|word| word.to_string_lossy()))),
        started_at: Some(started_at),
    };
    let command = labels.command.clone();
    let preparations = Preparations::start_streaming(labels, journal.clone(), listener.shared());
    let heard = listener.finish();
    let command = command.unwrap_or_else(|| pytest_command(&heard.arguments));
    if !heard.hello {
        journal.discard();
        // It was started for nothing, such as a `pytest` whose command line was wrong.
        return ExitCode::SUCCESS;
    }
    if !settings.quiet.value {
        for problem in &settings.problems {
            report::say(&format!("warning: {problem}"));
        }
    }
    let lasted = started.elapsed();
    let ending = Ending {
        started_at: Some(started_at),
        // The clock may have been set meanwhile.
        finished_at: Some(started_at + lasted),
        duration_s: lasted.as_secs_f64(),
        pipe_closed_early: heard.pipe_closed_early,
        worker_slept: heard.slept,
        reader_problems: heard.problems,
        ..Ending::default()
    };
    journal.end(&ending, &command);
    let run = heard.run.finish(ending);
    let timeout = settings.upload_timeout.value;
    deliver(&settings, preparations, run, &command, timeout);
    ExitCode::SUCCESS
}
