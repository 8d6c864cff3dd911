//! pytest while it lives: who may signal it, who ends it, and who notices its end.

use std::collections::HashSet;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process, kill_process_group, wait,
    waitid, waitpid,
};

use super::tree;

/// How long it is tried to kill what was started; a process in an uninterruptible call dies later.
const KILL_MAX: Duration = Duration::from_secs(2);

/// Between two looks at who is still there.
const KILL_PAUSE: Duration = Duration::from_millis(5);

/// Two interrupts within this time are one: a group is interrupted member by member as well.
const SAME_INTERRUPT: Duration = Duration::from_millis(300);

/// `__WNOTHREAD`: only children of this thread, pytest and the orphans that the worker adopted.
/// Children of other threads, such as git, are collected by whoever started them.
#[cfg(target_os = "linux")]
const OWN_CHILDREN: u32 = 0x2000_0000;
#[cfg(not(target_os = "linux"))]
const OWN_CHILDREN: u32 = 0;

#[derive(Debug, Default)]
struct State {
    /// From its start until its end is noticed. No signal goes to its number after that, which may
    /// soon be another's.
    process: Option<Pid>,
    /// Whether it leads a process group of its own.
    leads_group: bool,
    adopts_orphans: bool,
    /// Signals that came before it was started.
    early: Vec<Signal>,
    interrupted_at: Option<Instant>,
    stopped: Option<(i32, Instant)>,
    limit: Option<String>,
}

/// See the module. All clones are one.
#[derive(Debug, Clone, Default)]
pub(super) struct Living(Arc<Mutex<State>>);

impl Living {
    /// It has been started. Signals that came before reach it now.
    pub(super) fn begin(&self, process: Pid, leads_group: bool) {
        let early = {
            let mut state = self.lock();
            state.process = Some(process);
            state.leads_group = leads_group;
            std::mem::take(&mut state.early)
        };
        for signal in early {
            self.signal(signal);
        }
    }

    /// Whether this is pytest's number, while it lives.
    pub(super) fn is_pytest(&self, number: i32) -> bool {
        let state = self.lock();
        state.process.map(Pid::as_raw_pid) == Some(number)
    }

    /// Whether signals to the worker's group do not reach it by themselves.
    pub(super) fn leads_group(&self) -> bool {
        self.lock().leads_group
    }

    /// Takes care of orphans from here on, so that none escapes when everything has to end.
    pub(super) fn adopt_orphans(&self) {
        let mut state = self.lock();
        if !state.adopts_orphans {
            state.adopts_orphans = tree::adopt_orphans();
        }
    }

    /// Passes a signal on. One that ends pytest goes to its process group as well, where that is its
    /// own: whoever sent it to the worker's group meant them too.
    pub(super) fn signal(&self, signal: Signal) {
        let mut state = self.lock();
        if signal == Signal::INT {
            let last = state.interrupted_at.replace(Instant::now());
            if last.is_some_and(|last| last.elapsed() < SAME_INTERRUPT) {
                return;
            }
        }
        let ends = [Signal::INT, Signal::TERM, Signal::HUP].contains(&signal);
        match state.process {
            None => state.early.push(signal),
            Some(process) if ends && state.leads_group => signal_group(process, signal),
            // It may have ended in this very moment.
            Some(process) => drop(kill_process(process, signal)),
        }
    }

    /// Notes that the worker was told to stop, and when first.
    pub(super) fn note_stop(&self, signal: i32) {
        let mut state = self.lock();
        let at = state.stopped.map_or_else(Instant::now, |(_, at)| at);
        state.stopped = Some((signal, at));
    }

    /// The last signal that was meant to stop it, and when the first came.
    pub(super) fn stopped(&self) -> Option<(i32, Instant)> {
        self.lock().stopped
    }

    /// Notes the limit that is reached. Answers `false` when it is ending anyway.
    pub(super) fn note_limit(&self, words: String) -> bool {
        let mut state = self.lock();
        if state.process.is_none() || state.stopped.is_some() {
            return false;
        }
        state.limit = Some(words);
        true
    }

    /// The limit that was reached, in words.
    pub(super) fn limit(&self) -> Option<String> {
        self.lock().limit.clone()
    }

    /// Interrupts it as a terminal would: pytest and all in its process group.
    pub(super) fn interrupt(&self) {
        if let Some(process) = self.lock().process {
            signal_group(process, Signal::INT);
        }
    }

    /// Aborts it, upon which Python's faulthandler prints where every thread is. No memory image is
    /// written.
    pub(super) fn abort(&self) {
        let state = self.lock();
        if let Some(process) = state.process {
            #[cfg(target_os = "linux")]
            let _ = rustix::process::prlimit(
                Some(process),
                rustix::process::Resource::Core,
                rustix::process::Rlimit {
                    current: Some(0),
                    maximum: Some(0),
                },
            );
            let _ = kill_process(process, Signal::ABORT);
        }
    }

    /// Kills it and everything that it started, until none is left. Answers whether none is.
    pub(super) fn kill_tree(&self) -> bool {
        let deadline = Instant::now() + KILL_MAX;
        let mut stopped = HashSet::new();
        // Stopped first, so that nobody starts another while the others are killed.
        loop {
            let mut tree = self.tree();
            tree.retain(|process| stopped.insert(*process));
            tree::signal_each(&tree, Signal::STOP);
            if tree.is_empty() || Instant::now() >= deadline {
                break;
            }
        }
        loop {
            self.kill_group();
            let tree = self.tree();
            tree::signal_each(&tree, Signal::KILL);
            if tree.is_empty() {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(KILL_PAUSE);
        }
    }

    /// What `/proc` cannot tell everywhere.
    fn kill_group(&self) {
        let state = self.lock();
        if let Some(process) = state.process {
            let _ = kill_process(process, Signal::KILL);
            if state.leads_group {
                let _ = kill_process_group(process, Signal::KILL);
            }
        }
    }

    fn tree(&self) -> Vec<Pid> {
        let state = self.lock();
        let found = tree::descendants(state.process, state.adopts_orphans);
        found.into_iter().map(|one| one.process).collect()
    }

    /// Waits for its end, and collects the orphans that end before. To be called by the thread that
    /// started it.
    pub(super) fn wait(&self, process: Pid) -> io::Result<ExitStatus> {
        let is_there = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let is_there = is_there | WaitIdOptions::from_bits_retain(OWN_CHILDREN);
        let whom = if OWN_CHILDREN == 0 {
            WaitId::Pid(process)
        } else {
            WaitId::All
        };
        loop {
            // Noticed first and collected under the lock, so that no signal can go to a stranger.
            match waitid(whom.clone(), is_there) {
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
            let mut state = self.lock();
            if let Some((ended, status)) = collect(process)?
                && ended == process
            {
                state.process = None;
                return Ok(ExitStatus::from_raw(status));
            }
        }
    }

    /// Collects adopted orphans that have ended.
    pub(super) fn collect_orphans(&self, process: Pid) {
        if self.lock().adopts_orphans {
            while let Ok(Some(_)) = collect(process) {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Signals pytest and then, each for itself, those of its descendants that are in its group. pytest
/// comes first: it would take the end of its xdist workers for crashes. Some may have ended in this
/// very moment.
fn signal_group(process: Pid, signal: Signal) {
    let all = tree::descendants(Some(process), false);
    let group = all.iter().find(|one| one.process == process);
    let group = group.map(|one| one.group);
    let _ = kill_process(process, signal);
    let others = all
        .iter()
        .filter(|one| one.process != process && Some(one.group) == group);
    let others: Vec<Pid> = others.map(|one| one.process).collect();
    tree::signal_each(&others, signal);
}

/// One child of this thread that has ended, and its status; where threads cannot be told apart,
/// only `process`.
fn collect(process: Pid) -> io::Result<Option<(Pid, i32)>> {
    let options = WaitOptions::NOHANG | WaitOptions::from_bits_retain(OWN_CHILDREN);
    let ended = if OWN_CHILDREN == 0 {
        waitpid(Some(process), options)
    } else {
        wait(options)
    };
    match ended {
        Ok(ended) => Ok(ended.map(|(process, status)| (process, status.as_raw()))),
        Err(Errno::INTR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
