//! A slot: asks for a job, carries it out, asks again.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use shared::lease::LeaseRequest;
use shared::limits::LEASE_WAIT_S_MAX;

use super::attempt::{Reporting, Workshop};
use super::job::{Job, Lines};
use super::reach::Reach;
use super::stop::{Level, Stop};
use crate::backoff::backoff;
use crate::client::SendError;

/// What the slots of an agent share.
#[derive(Debug)]
pub struct Shift {
    /// Where they work.
    pub workshop: Workshop,
    /// Their master.
    pub reporting: Reporting,
    /// How they ask.
    pub request: LeaseRequest,
    /// Whether one job is enough.
    pub once: bool,
    /// How long they wait without a job.
    pub idle_max: Option<Duration>,
    /// Who wants them to end.
    pub stop: Stop,
    /// Whether the master answers.
    pub reach: Reach,
    /// Jobs that go on.
    pub busy: AtomicU32,
    /// When the last job ended.
    pub idle_since: Mutex<Instant>,
}

impl Shift {
    /// Takes jobs until no more are wanted.
    pub fn work(&self, lines: &Lines) {
        let mut failures = 0;
        while self.stop.level() == Level::Work {
            match lines.lease.lease(&self.request(), self.stop.asked()) {
                Ok(Some(lease)) => {
                    failures = 0;
                    self.reach.reached();
                    self.busy.fetch_add(1, Ordering::SeqCst);
                    if self.once {
                        self.stop.raise(Level::Drain);
                    }
                    let job = Job {
                        workshop: &self.workshop,
                        reporting: &self.reporting,
                        lines,
                        stop: &self.stop,
                        reach: &self.reach,
                        lease: &lease,
                    };
                    job.carry_out();
                    *self.idle_since() = Instant::now();
                    self.busy.fetch_sub(1, Ordering::SeqCst);
                }
                Ok(None) => {
                    failures = 0;
                    self.reach.reached();
                }
                Err(SendError::GivenUp { .. }) => return,
                Err(error) => {
                    self.reach.failed(&error);
                    self.stop.wait(backoff(failures));
                    failures += 1;
                }
            }
            self.end_when_idle();
        }
    }

    fn request(&self) -> LeaseRequest {
        let wait_s = match self.idle_max {
            Some(longest) => {
                let left = longest.saturating_sub(self.idle_since().elapsed());
                left.as_secs()
                    .saturating_add(1)
                    .min(LEASE_WAIT_S_MAX.into()) as u32
            }
            None => LEASE_WAIT_S_MAX,
        };
        LeaseRequest {
            busy: self.busy.load(Ordering::SeqCst),
            wait_s,
            ..self.request.clone()
        }
    }

    fn end_when_idle(&self) {
        let is_idle = self.busy.load(Ordering::SeqCst) == 0;
        if let Some(longest) = self.idle_max
            && is_idle
            && self.idle_since().elapsed() >= longest
        {
            self.stop.raise(Level::Drain);
        }
    }

    fn idle_since(&self) -> std::sync::MutexGuard<'_, Instant> {
        self.idle_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
