//! `agent`: its beginning, its slots and its end.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use shared::lease::LeaseRequest;
use shared::limits::SHORT_NAME_BYTES_MAX;

use super::attempt::{Reporting, Workshop, remove_left_behind};
use super::job::Lines;
use super::options::AgentArguments;
use super::reach::Reach;
use super::slot::Shift;
use super::stop::{Stop, Takes};
use super::{backend, left_runs, secrecy};
use crate::config::{Settings, Source, Sourced};
use crate::pytest::Interpreter;
use crate::{client, exit, report};

/// Takes jobs and carries them out until it is told to stop.
pub fn agent(arguments: &AgentArguments) -> ExitCode {
    secrecy::hide_from_others();
    let mut settings = Settings::of_this_process(&arguments.options());
    for problem in &settings.problems {
        report::say(&format!("warning: {problem}"));
    }
    let workshop = match workshop(arguments, &mut settings) {
        Ok(workshop) => workshop,
        Err(problem) => return refuse(&problem),
    };
    if arguments.backend.backend_url.is_some() {
        return take_tasks(arguments, &settings, &workshop);
    }
    match shift(arguments, &settings, workshop) {
        Ok((shift, lines)) => work(&shift, &lines, &settings),
        Err(problem) => refuse(&problem),
    }
}

/// Runs of tasks go to a master as well when somebody named one.
fn take_tasks(arguments: &AgentArguments, settings: &Settings, workshop: &Workshop) -> ExitCode {
    remove_left_behind(&workshop.jobs());
    let is_named = settings.master_url.source != Source::Default;
    let reporting = is_named.then(|| reporting(settings));
    backend::poll(&arguments.backend, workshop, reporting.as_ref())
}

fn reporting(settings: &Settings) -> Reporting {
    Reporting {
        master_url: settings.master_url.value.clone(),
        token: settings.token.as_ref().map(|token| token.value.0.clone()),
    }
}

fn refuse(problem: &str) -> ExitCode {
    report::say(problem);
    ExitCode::from(exit::USAGE)
}

/// Finds out where and how the agent works, and checks what can be checked before there is a job.
pub(super) fn workshop(
    arguments: &AgentArguments,
    settings: &mut Settings,
) -> Result<Workshop, String> {
    let python = Interpreter::find(settings.python.as_ref()).map_err(|error| error.to_string())?;
    let rules = arguments.steps.rules(python.path.clone(), None);
    rules.map_err(|problem| format!("agent: {problem}"))?;
    let folder = match &arguments.work_dir {
        Some(folder) => folder.clone(),
        None => default_folder().ok_or(
            "there is no home folder to keep the folders of jobs in; name one with --work-dir",
        )?,
    };
    let folder = std::path::absolute(&folder)
        .map_err(|error| format!("--work-dir {}: {error}", folder.display()))?;
    let made = std::fs::create_dir_all(folder.join("jobs"))
        .and_then(|()| std::fs::create_dir_all(folder.join("cache")));
    made.map_err(|error| format!("cannot work in {}: {error}", folder.display()))?;
    let state = settings.state_dir.get_or_insert_with(|| {
        let state = folder.join("state");
        Sourced::new(state, Source::Default)
    });
    state.value = std::path::absolute(&state.value)
        .map_err(|error| format!("--state-dir {}: {error}", state.value.display()))?;
    Ok(Workshop {
        state_dir: state.value.clone(),
        python: python.path,
        agent: name(settings),
        steps: arguments.steps.clone(),
        folder,
    })
}

/// Where the user keeps what can be made again.
fn default_folder() -> Option<PathBuf> {
    let variable = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = variable
        .filter(|folder| folder.is_absolute())
        .or_else(|| Some(std::env::home_dir()?.join(".cache")))?;
    cache
        .is_absolute()
        .then(|| cache.join("pytest-platform/agent"))
}

fn name(settings: &Settings) -> String {
    let mut name = settings.worker_id.value.clone();
    name.truncate(name.floor_char_boundary(SHORT_NAME_BYTES_MAX));
    name
}

fn shift(
    arguments: &AgentArguments,
    settings: &Settings,
    workshop: Workshop,
) -> Result<(Shift, Vec<Lines>), String> {
    let reporting = reporting(settings);
    let lines = (0..arguments.concurrent).map(|_| Lines::new(&reporting));
    let lines: Result<Vec<Lines>, _> = lines.collect();
    let lines = lines.map_err(|error| error.to_string())?;
    let request = LeaseRequest {
        agent: workshop.agent.clone(),
        labels: arguments.labels.iter().cloned().collect(),
        slots: arguments.concurrent,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..LeaseRequest::default()
    };
    let shift = Shift {
        workshop,
        reporting,
        request,
        once: arguments.once,
        idle_max: arguments.idle_exit.map(Duration::from_secs),
        stop: Stop::default(),
        reach: Reach::default(),
        busy: AtomicU32::new(0),
        idle_since: Mutex::new(Instant::now()),
    };
    Ok((shift, lines))
}

fn work(shift: &Shift, lines: &[Lines], settings: &Settings) -> ExitCode {
    let removed = remove_left_behind(&shift.workshop.jobs());
    if removed > 0 {
        report::say(&format!("removed what {removed} jobs had left here"));
    }
    let listening = match shift.stop.listen(Takes::Jobs) {
        Ok(listening) => listening,
        Err(error) => return refuse(&format!("cannot listen for signals: {error}")),
    };
    say_hello(shift);
    std::thread::scope(|scope| {
        for (number, lines) in lines.iter().enumerate() {
            let builder = std::thread::Builder::new().name(format!("slot {number}"));
            if let Err(error) = builder.spawn_scoped(scope, || shift.work(lines)) {
                report::say(&format!("cannot start a thread: {error}"));
            }
        }
        scope.spawn(|| left_runs::send(settings, &shift.stop));
    });
    left_runs::send_last(settings, &shift.stop);
    listening.finish();
    report::say(&format!("agent {} ends", shift.workshop.agent));
    ExitCode::SUCCESS
}

fn say_hello(shift: &Shift) {
    let labels: Vec<String> = shift
        .request
        .labels
        .iter()
        .map(|(label, value)| format!("{label}={value}"))
        .collect();
    let labels = if labels.is_empty() {
        String::new()
    } else {
        format!(", labels {}", labels.join(","))
    };
    report::say(&format!(
        "agent {} takes jobs of {} ({} at a time{labels})",
        shift.workshop.agent,
        client::address(&shift.reporting.master_url),
        shift.request.slots,
    ));
}
