//! pytest's process, from its start to its end.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use chrono::{DateTime, Utc};
use crossbeam_channel::{Receiver, Sender, bounded};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Pid;

use super::activity::Activity;
use super::event_pipe::EventPipe;
use super::launch::{self, Handed, Launch};
use super::limits::{Limits, Watch};
use super::living::Living;
use super::plugin_folder;
use super::plugin_folder::{NoFolder, PluginFolder};
use super::relay::{Relay, Relayed};
use super::signals::Signals;
use super::streams::{Spares, Streams, has_terminal, roomy_pipe};
use super::tail::Tail;
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
    process: Pid,
    living: Living,
    signals: Signals,
    watch: Option<JoinHandle<()>>,
    sweeper: JoinHandle<()>,
    relays: Vec<Relay>,
    tail: Arc<Mutex<Tail>>,
    activity: Activity,
    /// Closed when pytest has ended; the readers of its streams hold the other end.
    alive: OwnedFd,
    /// Disconnected when pytest has ended.
    over: (Sender<()>, Receiver<()>),
    started: Instant,
    started_at: DateTime<Utc>,
    plugin: Result<PluginFolder, NoFolder>,
    is_guarded: bool,
}

/// How it ended, and what it left.
#[derive(Debug)]
pub struct Finished {
    /// Code or signal.
    pub ended: Ended,
    /// The signal that the worker was told to stop with, if it was, and when.
    pub stopped: Option<(i32, Instant)>,
    /// The limit that ended it, in words, if one did.
    pub limit: Option<String>,
    /// The end of what it printed.
    pub log_tail: String,
    /// Why a part of what it printed could not be passed on, if so.
    pub output_lost: Option<io::Error>,
    /// When it was started.
    pub started_at: DateTime<Utc>,
    /// When it ended: so long after the start, whatever was done to the clock meanwhile.
    pub finished_at: DateTime<Utc>,
    /// Seconds between, by a clock that does not jump.
    pub duration_s: f64,
}

impl Pytest {
    /// Starts `python -m pytest` with the plugin and these arguments. Where the plugin can be written
    /// nowhere, the tests run without it. The thread that starts it has to wait for it as well.
    pub fn start(launch: &Launch) -> Result<(Self, EventPipe), StartError> {
        let plugin = PluginFolder::write();
        let streams = Streams::like_ours();
        let (from, to) = roomy_pipe().map_err(StartError::System)?;
        let (ended, alive) =
            pipe_with(PipeFlags::CLOEXEC).map_err(|error| StartError::System(error.into()))?;
        let (living, over) = (Living::default(), bounded(0));
        let signals = Signals::listen(living.clone(), over.1.clone(), streams.terminals())
            .map_err(StartError::System)?;

        let handed = Handed {
            events: to,
            // Without the plugin nobody would take care of them.
            spares: plugin
                .as_ref()
                .map_or_else(|_| Spares::default(), |_| Spares::of(&streams.carried)),
        };
        let mut command = launch::command(launch, &plugin, &handed);
        command.stdout(streams.stdout).stderr(streams.stderr);
        let leads_group = !has_terminal();
        if leads_group {
            command.process_group(0);
        }
        let (started, started_at) = (Instant::now(), Utc::now());
        let process = match spawn(command, handed) {
            Ok(process) => process,
            Err(error) => {
                signals.finish();
                let path = launch.python.path.clone();
                return Err(StartError::Spawn { path, error });
            }
        };
        living.begin(process, leads_group);
        if launch.guarded.is_some() {
            living.adopt_orphans();
        }
        if let Ok(plugin) = &plugin {
            plugin.serves(process);
        }

        let (activity, tail) = (Activity::begin(), Arc::default());
        let mut relays = Vec::new();
        for carried in streams.carried {
            let ended = ended.try_clone().map_err(StartError::System)?;
            let (tail, activity) = (Arc::clone(&tail), activity.clone());
            relays.push(Relay::start(carried, ended, tail, activity));
        }
        let pytest = Self {
            process,
            living,
            signals,
            watch: None,
            sweeper: plugin_folder::sweep(),
            relays,
            tail,
            activity: activity.clone(),
            alive,
            over,
            started,
            started_at,
            plugin,
            is_guarded: launch.guarded.is_some(),
        };
        let pipe = EventPipe {
            from,
            ended,
            activity,
        };
        Ok((pytest, pipe))
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

    /// Sets limits in time. Silence counts only while `in_session` says so.
    pub fn limit(&mut self, limits: Limits, in_session: impl Fn() -> bool + Send + 'static) {
        if !limits.is_any() {
            return;
        }
        self.living.adopt_orphans();
        let watch = Watch {
            limits,
            started: self.started,
            activity: self.activity.clone(),
            living: self.living.clone(),
            over: self.over.1.clone(),
            in_session,
        };
        self.watch = Some(watch.start());
    }

    /// Waits for its end, and for the rest of its output.
    pub fn wait(self) -> io::Result<Finished> {
        let status = self.living.wait(self.process)?;
        let lasted = self.started.elapsed();
        drop(self.over);
        // Whoever ends it goes on to what it left behind. A panic there would have nothing to tell.
        let _ = self.watch.map(JoinHandle::join);
        self.signals.finish();
        if self.is_guarded {
            // The guard leaves nobody, unless it was killed itself.
            self.living.kill_tree();
        }
        self.living.collect_orphans(self.process);
        drop(self.alive);
        let mut output_lost = None;
        for relay in self.relays {
            if let Relayed::Lost(error) = relay.finish() {
                output_lost = Some(error);
            }
        }
        let tail = match Arc::try_unwrap(self.tail) {
            Ok(tail) => tail.into_inner().unwrap_or_default().into_text(),
            Err(_) => String::new(),
        };
        // It removes what others left, and knows no failure.
        let _ = self.sweeper.join();
        Ok(Finished {
            ended: Ended::from(status),
            stopped: self.living.stopped(),
            limit: self.living.limit(),
            log_tail: tail,
            output_lost,
            started_at: self.started_at,
            finished_at: self.started_at + lasted,
            duration_s: lasted.as_secs_f64(),
        })
    }
}

/// Starts it with the descriptors that it is handed, of which no copy stays here.
fn spawn(mut command: Command, handed: Handed) -> io::Result<Pid> {
    let mut open = vec![handed.events];
    open.extend(handed.spares.into_descriptors());
    // From here until they are closed a child inherits them; only pytest is started meanwhile.
    for descriptor in &open {
        fcntl_setfd(descriptor, FdFlags::empty())?;
    }
    let child = command.spawn();
    drop(open);
    // The command holds our copies of pytest's ends of its streams, and goes here too.
    child.map(|child| Pid::from_child(&child))
}
