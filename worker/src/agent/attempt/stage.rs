//! What the two threads of an attempt share: the one that does the steps and the one that watches.

use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process};

use crate::agent::clock::Moment;
use crate::agent::lifeline::{self, Told};

/// How far it is, as far as both must know.
#[derive(Debug)]
pub(super) struct Stage(Mutex<State>);

#[derive(Debug)]
struct State {
    until: Moment,
    is_ending: bool,
    worker: Option<Worker>,
}

/// The worker that runs the tests.
#[derive(Debug)]
struct Worker {
    process: Pid,
    /// Its standard input, where its guard listens.
    lifeline: OwnedFd,
}

impl Stage {
    /// A lease that holds until then at least.
    pub(super) const fn new(until: Moment) -> Self {
        Self(Mutex::new(State {
            until,
            is_ending: false,
            worker: None,
        }))
    }

    /// Until when the lease holds at least.
    pub(super) fn until(&self) -> Moment {
        self.lock().until
    }

    /// The lease was renewed.
    pub(super) fn hold_until(&self, until: Moment) {
        let mut state = self.lock();
        state.until = until;
        if let Some(worker) = &state.worker {
            // Who has just ended needs no more time.
            let _ = lifeline::say(&worker.lifeline, Told::Until(until));
        }
    }

    /// Whether it is being ended, so that no further step is begun.
    pub(super) fn is_ending(&self) -> bool {
        self.lock().is_ending
    }

    /// Whether a worker runs the tests.
    pub(super) fn is_running(&self) -> bool {
        self.lock().worker.is_some()
    }

    /// Ends it: the worker is told to stop and reports what it has. Answers whether there is one.
    pub(super) fn end(&self) -> bool {
        let mut state = self.lock();
        let is_first = !std::mem::replace(&mut state.is_ending, true);
        match &state.worker {
            Some(worker) if is_first => kill_process(worker.process, Signal::TERM).is_ok(),
            Some(_) => true,
            None => false,
        }
    }

    /// A worker has been started. Where the end has come meanwhile, it is not wanted: then the answer is
    /// no, and its lifeline is cut.
    pub(super) fn begin_run(&self, process: Pid, lifeline: OwnedFd) -> bool {
        let mut state = self.lock();
        if state.is_ending {
            return false;
        }
        let until = state.until;
        let said = lifeline::never_block(&lifeline)
            .and_then(|()| lifeline::say(&lifeline, Told::Until(until)));
        state.worker = Some(Worker { process, lifeline });
        said.is_ok()
    }

    /// The worker has ended.
    pub(super) fn end_run(&self) {
        self.lock().worker = None;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
