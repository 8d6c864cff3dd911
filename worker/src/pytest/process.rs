//! pytest's process, from its start to its end.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use chrono::{DateTime, Utc};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use super::interpreter::Interpreter;
use super::plugin_folder::{NoFolder, PluginFolder};
use super::signals::Signals;
use super::streams::{Streams, roomy_pipe};
use super::tail::Tail;
use super::{relay, tail};
use crate::exit::Ended;

/// pytest could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The system gave no pipe or no signal handler.
    #[error("cannot prepare a process: {0}")]
    System(#[source] io::Error),
    /// The program did not start.
    #[error("cannot start {path}: {error}")]
    Spawn {
        /// The interpreter.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
}

/// A pytest that runs.
#[derive(Debug)]
pub struct Pytest {
    child: Child,
    signals: Signals,
    relays: Vec<JoinHandle<()>>,
    tail: Arc<Mutex<Tail>>,
    /// Closed when pytest has ended; the readers of its streams hold the other end.
    alive: OwnedFd,
    started: Instant,
    started_at: DateTime<Utc>,
    plugin: Result<PluginFolder, NoFolder>,
}

/// How it ended, and what it left.
#[derive(Debug)]
pub struct Finished {
    /// Code or signal.
    pub ended: Ended,
    /// The signal that the worker was stopped with, if it was.
    pub stopped_by: Option<i32>,
    /// The end of what it printed.
    pub log_tail: String,
    /// When it was started.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
    /// Seconds between, by a clock that does not jump.
    pub duration_s: f64,
}

/// Where the plugin's events arrive, and what tells that no more will.
#[derive(Debug)]
pub struct EventPipe {
    /// The events.
    pub from: OwnedFd,
    /// Closed at pytest's end, even when somebody else still holds the pipe.
    pub ended: OwnedFd,
}

impl Pytest {
    /// Starts `python -m pytest` with the plugin and these arguments. Where the plugin can be written
    /// nowhere, the tests run without it.
    pub fn start(
        python: &Interpreter,
        arguments: &[OsString],
    ) -> Result<(Self, EventPipe), StartError> {
        let plugin = PluginFolder::write();
        let streams = Streams::like_ours();
        let (from, to) = roomy_pipe().map_err(StartError::System)?;
        let (ended, alive) =
            pipe_with(PipeFlags::CLOEXEC).map_err(|error| StartError::System(error.into()))?;
        let signals = Signals::listen(streams.terminals()).map_err(StartError::System)?;

        let mut command = Command::new(&python.path);
        command
            .args(["-m", "pytest"])
            .env_remove("PYTEST_PLATFORM_FD")
            .env_remove("PYTEST_PLATFORM_PYTHONPATH")
            .env_remove("MASTER_TOKEN")
            .stdout(streams.stdout)
            .stderr(streams.stderr);
        match &plugin {
            Ok(plugin) => load(plugin, &to, &mut command),
            // One that is installed would report on its own what is said to be not reported.
            Err(_) => drop(command.env("PYTEST_PLATFORM_NESTED", "1")),
        }
        command.args(arguments);
        let (started, started_at) = (Instant::now(), Utc::now());
        // From here until `to` is closed a child inherits it; only pytest is started meanwhile.
        let child = fcntl_setfd(&to, FdFlags::empty())
            .map_err(io::Error::from)
            .and_then(|()| command.spawn());
        drop(to);
        // The command holds our copies of pytest's ends of its streams.
        drop(command);
        let child = match child {
            Ok(child) => child,
            Err(error) => {
                signals.finish();
                let path = python.path.clone();
                return Err(StartError::Spawn { path, error });
            }
        };
        signals.watch(Pid::from_child(&child));

        let tail = Arc::new(Mutex::new(tail::Tail::default()));
        let mut relays = Vec::new();
        for carried in streams.carried {
            let ended = ended.try_clone().map_err(StartError::System)?;
            relays.push(relay::start(carried, ended, Arc::clone(&tail)));
        }
        let pytest = Self {
            child,
            signals,
            relays,
            tail,
            alive,
            started,
            started_at,
            plugin,
        };
        Ok((pytest, EventPipe { from, ended }))
    }

    /// Why it runs without the plugin, and so tells nothing, if it does.
    pub fn unheard(&self) -> Option<String> {
        let reason = self.plugin.as_ref().err()?;
        Some(reason.to_string())
    }

    /// When it was started.
    pub const fn started_at(&self) -> DateTime<Utc> {
        self.started_at
    }

    /// Waits for its end, and for the rest of its output.
    pub fn wait(mut self) -> io::Result<Finished> {
        let process = Pid::from_child(&self.child);
        loop {
            // Noticed first and collected later, so that no signal can go to a stranger.
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            match waitid(WaitId::Pid(process), options) {
                Err(Errno::INTR) => {}
                _ => break,
            }
        }
        self.signals.unwatch();
        let status = self.child.wait()?;
        let (duration_s, finished_at) = (self.started.elapsed().as_secs_f64(), Utc::now());
        drop(self.alive);
        for relay in self.relays {
            // A relay that panicked has lost output, but the run is not lost.
            let _ = relay.join();
        }
        let tail = match Arc::try_unwrap(self.tail) {
            Ok(tail) => tail.into_inner().unwrap_or_default().into_text(),
            Err(_) => String::new(),
        };
        let stopped_by = self.signals.stopped_by();
        self.signals.finish();
        Ok(Finished {
            ended: Ended::from(status),
            stopped_by,
            log_tail: tail,
            started_at: self.started_at,
            finished_at,
            duration_s,
        })
    }
}

/// Makes pytest load the plugin and the plugin find its pipe.
fn load(plugin: &PluginFolder, to: &OwnedFd, command: &mut Command) {
    let original = std::env::var_os("PYTHONPATH");
    command
        .args(["-p", "pytest_platform.plugin"])
        .env("PYTHONPATH", plugin.search_path(original.as_deref()))
        .env("PYTEST_PLATFORM_FD", to.as_raw_fd().to_string());
    if let Some(original) = original {
        command.env("PYTEST_PLATFORM_PYTHONPATH", original);
    }
}

impl EventPipe {
    /// The pipe of a pytest that started this process and gave it the pipe by number.
    pub fn inherited(descriptor: u32) -> io::Result<Self> {
        let from = super::streams::inherited(descriptor)?;
        let ended = parents_end()?;
        Ok(Self { from, ended })
    }
}

/// Readable when the process that started this one has ended.
#[cfg(target_os = "linux")]
fn parents_end() -> io::Result<OwnedFd> {
    use rustix::process::{PidfdFlags, getppid, pidfd_open};
    let parent = getppid().ok_or(io::ErrorKind::NotFound)?;
    Ok(pidfd_open(parent, PidfdFlags::empty())?)
}

/// Never readable: elsewhere, only the end of the pipe itself is noticed.
#[cfg(not(target_os = "linux"))]
fn parents_end() -> io::Result<OwnedFd> {
    let (ended, alive) = pipe_with(PipeFlags::CLOEXEC)?;
    std::mem::forget(alive);
    Ok(ended)
}
