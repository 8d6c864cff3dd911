//! Signals that reach the worker while pytest runs.
//!
//! A signal that somebody sent to the worker is passed on to pytest, since pytest was meant. One
//! that the terminal sent (Ctrl-C) reached pytest already, and a second would break its teardown.
//! Without a terminal pytest leads a process group of its own: what is sent to the worker's group
//! does not reach it twice. What pytest itself sends, a test that plays with its parent, is ignored.
//! In any case the worker stays to report the run.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use rustix::process::Signal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::iterator::{Handle, SignalsInfo};
use signal_hook::low_level::siginfo::Cause;

use super::living::Living;
use super::streams::{Target, copy_size};

/// Whoever tells the worker to stop will not wait longer than this for the report, all in all.
pub const STOP_GRACE: Duration = Duration::from_secs(5);

/// How much of that pytest may take to end by itself; what is left is for the report.
const ENDING_MAX: Duration = Duration::from_secs(3);

/// The watch over signals.
#[derive(Debug)]
pub(super) struct Signals {
    handle: Handle,
    thread: JoinHandle<()>,
}

impl Signals {
    /// Starts to listen, before pytest is started. `over` disconnects when pytest has ended.
    pub(super) fn listen(
        living: Living,
        over: Receiver<()>,
        terminals: Vec<(OwnedFd, Target)>,
    ) -> io::Result<Self> {
        let mut wanted = vec![SIGINT, SIGTERM, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH];
        // `nohup` ignores it for a reason that holds for pytest as well.
        if !is_ignored(SIGHUP) {
            wanted.push(SIGHUP);
        }
        let mut signals = SignalsInfo::<WithOrigin>::new(wanted)?;
        let handle = signals.handle();
        let thread = std::thread::spawn(move || {
            let mut executioner = None;
            for origin in signals.forever() {
                if origin.signal == SIGWINCH {
                    for (theirs, ours) in &terminals {
                        copy_size(ours.descriptor(), theirs.as_fd());
                    }
                    continue;
                }
                let sender = origin.process.map(|process| process.pid);
                if sender.is_some_and(|sender| living.is_pytest(sender)) {
                    continue;
                }
                // Otherwise it is the kernel's own, as of a key that was pressed.
                let from_process = matches!(origin.cause, Cause::Sent(_));
                if pass_on(&living, origin.signal, from_process) && executioner.is_none() {
                    executioner = Some(kill_after_grace(living.clone(), over.clone()));
                }
            }
            if let Some(executioner) = executioner {
                // It only waits and kills; there is nothing to hear from it.
                let _ = executioner.join();
            }
        });
        Ok(Self { handle, thread })
    }

    /// Stops to listen. From here on a signal ends nothing: the handlers stay, and the worker's
    /// remaining waits are bounded.
    pub(super) fn finish(self) {
        self.handle.close();
        // Its work is done; that it panicked would change nothing.
        let _ = self.thread.join();
    }
}

/// Answers whether somebody waits for the report from now on. A person at a terminal does not: who
/// pressed Ctrl-C can press it again.
fn pass_on(living: &Living, number: i32, from_process: bool) -> bool {
    let Some(signal) = Signal::from_named_raw(number) else {
        return false;
    };
    let is_stop = [SIGINT, SIGTERM, SIGQUIT, SIGHUP].contains(&number);
    if is_stop {
        living.note_stop(number);
    }
    let is_awaited = match number {
        SIGTERM | SIGHUP => true,
        SIGINT => from_process,
        _ => false,
    };
    if is_awaited {
        living.adopt_orphans();
    }
    if from_process || living.leads_group() {
        living.signal(signal);
    }
    is_awaited
}

fn kill_after_grace(living: Living, over: Receiver<()>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        if over.recv_timeout(ENDING_MAX) == Err(RecvTimeoutError::Timeout) {
            living.kill_tree();
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
