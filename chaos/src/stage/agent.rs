//! A real agent that is killed, stopped and started again in the folder that it had.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::process::{Pid, Signal, kill_process};
use xtask::descendants;
use xtask::process::Guarded;

use super::{Programs, make_folder};

/// How long an agent without jobs may take to end when it is asked to.
const END_TIME_MAX: Duration = Duration::from_secs(30);

/// An agent.
#[derive(Debug)]
pub(crate) struct Agent {
    /// Its name.
    pub(crate) name: String,
    programs: Programs,
    master_url: String,
    folder: PathBuf,
    state: State,
}

/// What it does.
#[derive(Debug)]
enum State {
    Up(Guarded),
    /// Stopped until then.
    Stopped(Guarded, Instant),
    /// Away until then.
    Away(Instant),
}

impl Agent {
    /// Starts one whose Python needs no preparation.
    pub(crate) fn start(
        programs: &Programs,
        master_url: &str,
        folder: &Path,
        name: &str,
    ) -> Result<Self> {
        let mut agent = Self {
            name: name.to_owned(),
            programs: programs.clone(),
            master_url: master_url.to_owned(),
            folder: make_folder(&folder.join(name))?,
            state: State::Away(Instant::now()),
        };
        agent.go_on(true)?;
        Ok(agent)
    }

    /// `kill -9` of the agent, and of everything below it if asked; it stays away for a while.
    pub(crate) fn kill(&mut self, with_all_below: bool, away: Duration) -> Result<()> {
        let until = Instant::now() + away;
        match std::mem::replace(&mut self.state, State::Away(until)) {
            State::Up(mut process) | State::Stopped(mut process, _) => {
                let below = descendants::of(process.id());
                process.kill()?;
                if with_all_below {
                    descendants::kill(&below);
                }
            }
            State::Away(since) => self.state = State::Away(since),
        }
        Ok(())
    }

    /// SIGSTOP; SIGCONT follows after a while.
    pub(crate) fn stop(&mut self, time: Duration) {
        let until = Instant::now() + time;
        self.state = match std::mem::replace(&mut self.state, State::Away(until)) {
            State::Up(process) => {
                signal(&process, Signal::STOP);
                State::Stopped(process, until)
            }
            other => other,
        };
    }

    /// Starts it again, or lets it go on, when its time has come or it must be now.
    pub(crate) fn go_on(&mut self, now: bool) -> Result<()> {
        let is_time = |until: Instant| now || Instant::now() >= until;
        match std::mem::replace(&mut self.state, State::Away(Instant::now())) {
            State::Stopped(process, until) if is_time(until) => {
                signal(&process, Signal::CONT);
                self.state = State::Up(process);
            }
            State::Away(until) if is_time(until) => self.state = State::Up(self.spawn()?),
            other => self.state = other,
        }
        Ok(())
    }

    /// Ends it the polite way; answers with what is wrong about its end.
    pub(crate) fn end(&mut self) -> Result<Option<String>> {
        self.go_on(true)?;
        let State::Up(process) = &mut self.state else {
            return Ok(None);
        };
        signal(process, Signal::TERM);
        let wrong = match process.wait_at_most(END_TIME_MAX)? {
            Some(status) if status.success() => None,
            Some(status) => Some(format!("{} ended with {status}", self.name)),
            None => {
                process.kill()?;
                Some(format!("{} did not end on SIGTERM", self.name))
            }
        };
        Ok(wrong)
    }

    /// Folders of jobs that are still there.
    pub(crate) fn folders_left(&self) -> usize {
        let folders = std::fs::read_dir(self.folder.join("work/jobs"));
        let folders = folders.into_iter().flatten().flatten();
        folders.filter(|entry| entry.path().is_dir()).count()
    }

    /// The end of what it said.
    pub(crate) fn said(&self) -> String {
        let said = std::fs::read_to_string(self.folder.join("agent.log")).unwrap_or_default();
        let lines: Vec<_> = said.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    fn spawn(&self) -> Result<Guarded> {
        let mut log = OpenOptions::new();
        let log = log.create(true).append(true);
        let log = log.open(self.folder.join("agent.log"))?;
        let mut command = Command::new(&self.programs.worker);
        for (variable, _) in std::env::vars_os() {
            let variable = variable.to_string_lossy();
            if variable.starts_with("WORKER_") || variable.starts_with("PYTEST_") {
                command.env_remove(&*variable);
            }
        }
        command
            .args(["agent", "--no-prepare", "--name", &self.name, "--work-dir"])
            .arg(self.folder.join("work"))
            .arg("--python")
            .arg(&self.programs.python)
            .env("MASTER_URL", &self.master_url)
            .env("WORKER_STATE_DIR", self.folder.join("state"))
            .env("XDG_STATE_HOME", self.folder.join("state"))
            .env("HOME", &self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        Guarded::start_with(&mut command, Signal::KILL)
    }
}

fn signal(process: &Guarded, signal: Signal) {
    if let Some(id) = i32::try_from(process.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process(id, signal);
    }
}
