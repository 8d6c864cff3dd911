//! The steps of an attempt, one after the other.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Pid;
use shared::job::StepName;
use shared::lease::FinishAttempt;

use super::orders::Orders;
use super::reports::{Reports, log};
use super::stage::Stage;
use super::supervision::Handover;
use super::{source, variables, verdict};
use crate::agent::steps::{
    Fetched, Prepared, Site, StepFailure, StepRules, fetch, prepare, pytest_arguments,
};
use crate::agent::{message, program};
use crate::exit::Ended;
use crate::pytest::sweep;

/// Longest wait of the worker for its upload, in seconds.
const UPLOAD_S: u32 = 10;

/// However late it is, pytest gets as long as this to say that it was too late.
const RUN_MIN: Duration = Duration::from_secs(1);

/// What the steps go by.
pub(super) struct Steps<'a> {
    pub(super) orders: &'a Orders,
    pub(super) stage: &'a Stage,
    pub(super) reports: &'a Reports,
    pub(super) site: Site,
    /// When the time for all of it is over.
    pub(super) deadline: Instant,
}

impl Steps<'_> {
    /// Does all but the last, which is to clean up.
    pub(super) fn carry_out(&self) -> FinishAttempt {
        match self.try_all() {
            Ok(finish) => finish,
            Err(failure) => {
                log().say(&failure.text);
                verdict::error(&failure)
            }
        }
    }

    fn try_all(&self) -> Result<FinishAttempt, StepFailure> {
        let work = &self.orders.work;
        let rules = self.rules()?;
        for folder in [self.site.home(), self.site.temporary()] {
            std::fs::create_dir(folder).map_err(|error| no_folder(&error))?;
        }
        for name in work.env.keys() {
            rules.arguments.check_variable(name)?;
        }
        let fetched = self.fetch(&rules)?;
        let arguments = pytest_arguments(
            &work.tests,
            &work.args,
            &fetched,
            &self.site,
            &rules.arguments,
        )?;
        let prepared = self.prepare(&fetched, &rules)?;
        let variables = variables::of_tests(&prepared, &work.env, rules.sandbox.is_some())?;
        for note in &arguments.notes {
            log().say(note);
        }
        self.check_ending()?;
        self.run(&fetched, &prepared, variables, &arguments.words)
    }

    fn rules(&self) -> Result<StepRules, StepFailure> {
        let shop = &self.orders.workshop;
        let rules = shop.steps.rules(shop.python.clone(), Some(self.deadline));
        rules.map_err(StepFailure::subprocess)
    }

    fn fetch(&self, rules: &StepRules) -> Result<Fetched, StepFailure> {
        let begun = self.reports.begin(StepName::Fetch);
        let left = self.deadline.saturating_duration_since(Instant::now());
        let download = |path: &Path| source::download(self.orders, path, left);
        let source = &self.orders.work.source;
        let fetched = fetch(source, &self.site, &rules.fetch, &mut log(), download);
        let text = match &fetched {
            Ok(fetched) => fetched.commit.clone().unwrap_or_default(),
            Err(failure) => first_line(&failure.text),
        };
        begun.end(&text);
        fetched
    }

    fn prepare(&self, fetched: &Fetched, rules: &StepRules) -> Result<Prepared, StepFailure> {
        self.check_ending()?;
        let begun = self.reports.begin(StepName::Prepare);
        let prepared = prepare(&self.site, fetched, &rules.prepare, &mut log());
        let text = match &prepared {
            Ok(_) => String::new(),
            Err(failure) => first_line(&failure.text),
        };
        begun.end(&text);
        prepared
    }

    fn run(
        &self,
        fetched: &Fetched,
        prepared: &Prepared,
        variables: Vec<(OsString, OsString)>,
        words: &[OsString],
    ) -> Result<FinishAttempt, StepFailure> {
        let begun = self.reports.begin(StepName::Run);
        let saved = self.site.folder().join("run.json");
        let mut command = self.worker(fetched, prepared, &saved).map_err(|error| {
            StepFailure::subprocess(format!("cannot start this program once more: {error}"))
        })?;
        command.arg("--").args(words);
        let ended = self.wait_for(command, variables);
        // What the tests left behind ends with them.
        sweep::kill_below();
        let ended = ended.map_err(|error| {
            StepFailure::subprocess(format!("the worker that runs pytest failed: {error}"))
        })?;
        let run = verdict::saved(&saved);
        let text = run.as_ref().map_or_else(String::new, verdict::words);
        let finished_at = run.as_ref().and_then(|run| run.finished_at);
        begun.end_at(finished_at.unwrap_or_else(chrono::Utc::now), &text);
        let mut report = self.reports.begin(StepName::Report);
        if let Some(at) = finished_at {
            report.began_at(at);
        }
        if let (Some(place), true) = (&self.orders.keep_run, run.is_some()) {
            // Whoever wants it finds that it is not there.
            let _ = std::fs::rename(&saved, place);
        }
        report.end(&self.orders.work.run_id);
        Ok(verdict::of_run(ended, run.as_ref()))
    }

    fn worker(
        &self,
        fetched: &Fetched,
        prepared: &Prepared,
        saved: &Path,
    ) -> std::io::Result<Command> {
        let Orders { work, workshop, .. } = self.orders;
        let mut command = program::command()?;
        let state = match &self.orders.reporting {
            Some(_) => workshop.state_dir.clone(),
            None => self.site.folder().join("state"),
        };
        command
            .args(["run", "--supervised"])
            .arg(flag("--run-id", &work.run_id))
            .arg(flag("--worker-id", &workshop.agent))
            .arg(flag("--project", &work.project))
            .arg(flag_of("--python", &prepared.python))
            .arg(flag_of("--save", saved))
            .arg(flag_of("--state-dir", &state))
            .arg(flag("--run-timeout", &self.seconds_left().to_string()))
            .arg("--memory");
        for (name, value) in [("--branch", &fetched.branch), ("--commit", &fetched.commit)] {
            if let Some(value) = value {
                command.arg(flag(name, value));
            }
        }
        if self.orders.reporting.is_some() {
            command.arg(flag("--upload-timeout", &UPLOAD_S.to_string()));
        } else {
            command.arg("--quiet");
        }
        command
            .env_clear()
            .envs(variables::of_worker(&self.site))
            .current_dir(&fetched.folder)
            .stdin(Stdio::piped());
        Ok(command)
    }

    fn seconds_left(&self) -> f64 {
        let left = self.deadline.saturating_duration_since(Instant::now());
        left.max(RUN_MIN).as_secs_f64()
    }

    fn wait_for(
        &self,
        mut command: Command,
        variables: Vec<(OsString, OsString)>,
    ) -> std::io::Result<Ended> {
        let mut child = command.spawn()?;
        let stdin = child.stdin.take();
        let process = Pid::from_child(&child);
        let is_wanted = stdin.is_some_and(|stdin| self.hand_over(stdin, variables, process));
        if !is_wanted {
            child.kill()?;
        }
        let status = child.wait();
        self.stage.end_run();
        Ok(Ended::from(status?))
    }

    /// Tells the worker what it needs, and leaves its lifeline to whoever watches.
    fn hand_over(
        &self,
        mut stdin: ChildStdin,
        variables: Vec<(OsString, OsString)>,
        process: Pid,
    ) -> bool {
        let reporting = self.orders.reporting.as_ref();
        let handover = Handover {
            master_url: reporting.map(|to| to.master_url.clone()),
            token: reporting.and_then(|to| to.token.clone()),
            variables,
            is_sandboxed: self.orders.workshop.steps.sandbox,
        };
        message::send(&handover, &mut stdin).is_ok()
            && self.stage.begin_run(process, OwnedFd::from(stdin))
    }

    fn check_ending(&self) -> Result<(), StepFailure> {
        if self.stage.is_ending() {
            return Err(StepFailure::subprocess("it was ended"));
        }
        Ok(())
    }
}

/// One word, so that a value that begins with `-` is a value.
fn flag(name: &str, value: &str) -> OsString {
    format!("{name}={value}").into()
}

fn flag_of(name: &str, value: &Path) -> OsString {
    let mut word = OsString::from(name);
    word.push("=");
    word.push(value);
    word
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

fn no_folder(error: &std::io::Error) -> StepFailure {
    StepFailure::subprocess(format!(
        "the agent cannot make a folder for the job: {error}"
    ))
}

/// Where the agent keeps the process's own folder.
pub(super) fn site(orders: &Orders) -> Site {
    let folder: PathBuf = orders.workshop.job(&orders.work);
    Site::new(folder, orders.workshop.cache())
}
