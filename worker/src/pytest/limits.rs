//! Limits in time, and what happens when one is reached.
//!
//! pytest is interrupted first, as by Ctrl-C: it then says where it was, tears down its fixtures,
//! writes its reports and names what it has. After a grace it is aborted, upon which Python prints
//! where every thread is, and then it and everything it started is killed.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::activity::Activity;
use super::living::Living;

/// How long pytest may take to end by itself once it was interrupted.
const INTERRUPT_GRACE: Duration = Duration::from_secs(5);

/// How long Python may take to print where its threads are.
const ABORT_GRACE: Duration = Duration::from_millis(500);

/// Between two looks at the clock.
const TICK_MAX: Duration = Duration::from_secs(1);

/// A tick that took this much longer: the worker itself was stopped, and pytest perhaps with it.
const OVERSLEPT: Duration = Duration::from_secs(3);

/// How long a run may take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// From pytest's start to the end of its process.
    pub run: Option<Duration>,
    /// Without an event and without output while the session is on.
    pub stall: Option<Duration>,
}

impl Limits {
    /// Whether there is any.
    pub const fn is_any(self) -> bool {
        self.run.is_some() || self.stall.is_some()
    }
}

/// Who watches.
pub(super) struct Watch<F> {
    pub(super) limits: Limits,
    pub(super) started: Instant,
    pub(super) activity: Activity,
    pub(super) living: Living,
    /// Disconnected when pytest has ended.
    pub(super) over: Receiver<()>,
    /// Whether a session is on, in which silence means something.
    pub(super) in_session: F,
}

impl<F: Fn() -> bool + Send + 'static> Watch<F> {
    /// Watches on a thread that ends soon after pytest.
    pub(super) fn start(self) -> JoinHandle<()> {
        std::thread::spawn(move || {
            if let Some(words) = self.wait() {
                self.end(words);
            }
        })
    }

    /// Waits for a limit; nothing is told when pytest ends before.
    fn wait(&self) -> Option<String> {
        loop {
            if let Some(words) = self.reached() {
                return Some(words);
            }
            let tick = self.next_tick();
            let before = Instant::now();
            match self.over.recv_timeout(tick) {
                Err(RecvTimeoutError::Timeout) => {}
                _ => return None,
            }
            if before.elapsed() > tick + OVERSLEPT {
                self.activity.mark();
            }
        }
    }

    fn reached(&self) -> Option<String> {
        if let Some(limit) = self
            .limits
            .run
            .filter(|limit| self.started.elapsed() >= *limit)
        {
            let seconds = limit.as_secs_f64();
            return Some(format!(
                "the run reached its limit of {seconds} s (--run-timeout)"
            ));
        }
        let limit = self.limits.stall?;
        if self.activity.silence() < limit || !(self.in_session)() {
            return None;
        }
        let seconds = limit.as_secs_f64();
        Some(format!(
            "nothing happened and nothing was printed for {seconds} s (--stall-timeout)"
        ))
    }

    fn next_tick(&self) -> Duration {
        let run = self.limits.run.unwrap_or(Duration::MAX);
        let stall = self.limits.stall.unwrap_or(Duration::MAX);
        let left = run.saturating_sub(self.started.elapsed());
        let silent = stall.saturating_sub(self.activity.silence());
        let silent = if silent.is_zero() { TICK_MAX } else { silent };
        // A whole millisecond, for which a clock that rounds down is not asked again and again.
        left.min(silent).min(TICK_MAX) + Duration::from_millis(1)
    }

    fn end(&self, words: String) {
        if !self.living.note_limit(words) {
            return;
        }
        self.living.adopt_orphans();
        self.living.interrupt();
        let goes_on = Err(RecvTimeoutError::Timeout);
        if self.over.recv_timeout(INTERRUPT_GRACE) == goes_on {
            self.living.abort();
            // Whether it helped or not, what follows is the same.
            let _ = self.over.recv_timeout(ABORT_GRACE);
        }
        self.living.kill_tree();
    }
}
