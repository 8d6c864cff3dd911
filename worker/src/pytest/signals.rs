//! Signals that reach the worker while pytest runs.
//!
//! A signal that somebody sent to the worker is passed on to pytest, since pytest was meant. One
//! that the terminal sent (Ctrl-C) reached pytest already, and a second would break its teardown.
//! Either way the worker stays to report the run.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::exfiltrator::raw::WithRawSiginfo;
use signal_hook::iterator::{Handle, SignalsInfo};

use super::streams::{Target, copy_size};

/// Who was asked to terminate and is still there after this time is killed: whoever asked will not
/// wait longer for the report.
pub const TERMINATION_GRACE: Duration = Duration::from_secs(5);

/// What the signals have to do with.
#[derive(Debug, Default)]
struct Watched {
    /// pytest, from its start until its end is noticed.
    process: Option<Pid>,
    /// The last signal that was meant to stop it.
    stopped_by: Option<i32>,
    /// Signals that came before it was started.
    early: Vec<Signal>,
}

/// The watch over signals.
#[derive(Debug)]
pub(super) struct Signals {
    handle: Handle,
    thread: JoinHandle<()>,
    watched: Arc<Mutex<Watched>>,
    over: Sender<()>,
}

impl Signals {
    /// Starts to listen, before pytest is started.
    pub(super) fn listen(terminals: Vec<(OwnedFd, Target)>) -> io::Result<Self> {
        let mut wanted = vec![SIGINT, SIGTERM, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH];
        // `nohup` ignores it for a reason that holds for pytest as well.
        if !is_ignored(SIGHUP) {
            wanted.push(SIGHUP);
        }
        let mut signals = SignalsInfo::<WithRawSiginfo>::new(wanted)?;
        let handle = signals.handle();
        let watched = Arc::new(Mutex::new(Watched::default()));
        let (over, is_over) = bounded(0);
        let watching = Arc::clone(&watched);
        let thread = std::thread::spawn(move || {
            let mut executioner = None;
            for info in signals.forever() {
                if info.si_signo == SIGWINCH {
                    for (theirs, ours) in &terminals {
                        copy_size(ours.descriptor(), theirs.as_fd());
                    }
                    continue;
                }
                // The kernel's own numbers are positive, as of a key that was pressed.
                pass_on(&watching, info.si_signo, info.si_code <= 0);
                if info.si_signo == SIGTERM && executioner.is_none() {
                    executioner = Some(kill_after_grace(&watching, &is_over));
                }
            }
            if let Some(executioner) = executioner {
                // It only waits and kills; there is nothing to hear from it.
                let _ = executioner.join();
            }
        });
        Ok(Self {
            handle,
            thread,
            watched,
            over,
        })
    }

    /// Tells which process signals are for.
    pub(super) fn watch(&self, process: Pid) {
        let mut watched = self.lock();
        watched.process = Some(process);
        for signal in std::mem::take(&mut watched.early) {
            // It may have ended already.
            let _ = kill_process(process, signal);
        }
    }

    /// The process has ended, although nobody has collected it yet: no signal goes to its number
    /// from here on, which may soon be another's.
    pub(super) fn unwatch(&self) {
        self.lock().process = None;
    }

    /// The signal that was meant to stop pytest, so far.
    pub(super) fn stopped_by(&self) -> Option<i32> {
        self.lock().stopped_by
    }

    /// Stops to listen. From here on a signal ends nothing: the handlers stay, and the worker's
    /// remaining waits are bounded.
    pub(super) fn finish(self) {
        self.handle.close();
        drop(self.over);
        // Its work is done; that it panicked would change nothing.
        let _ = self.thread.join();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn pass_on(watched: &Mutex<Watched>, number: i32, from_process: bool) {
    let mut watched = watched.lock().unwrap_or_else(PoisonError::into_inner);
    if [SIGINT, SIGTERM, SIGQUIT, SIGHUP].contains(&number) {
        watched.stopped_by = Some(number);
    }
    let Some(signal) = Signal::from_named_raw(number) else {
        return;
    };
    match watched.process {
        Some(process) if from_process => {
            // It may have ended in this very moment.
            let _ = kill_process(process, signal);
        }
        Some(_) => {}
        None => watched.early.push(signal),
    }
}

fn kill_after_grace(watched: &Arc<Mutex<Watched>>, is_over: &Receiver<()>) -> JoinHandle<()> {
    let (watched, is_over) = (Arc::clone(watched), is_over.clone());
    std::thread::spawn(move || {
        if is_over.recv_timeout(TERMINATION_GRACE).is_err() {
            let watched = watched.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(process) = watched.process {
                let _ = kill_process(process, Signal::KILL);
            }
        }
    })
}

fn is_ignored(signal: i32) -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        return false;
    };
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & (1 << (signal - 1)) != 0)
}
