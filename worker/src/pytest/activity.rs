//! When something was heard of pytest last, and whether the worker could listen since.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::SIGCONT;

/// Marked by whoever reads a stream of pytest, and read by whoever waits for silence. All clones are
/// one.
#[derive(Debug, Clone)]
pub struct Activity {
    start: Instant,
    last_ms: Arc<AtomicU64>,
    /// Set when this process, which was stopped, goes on.
    slept: Arc<AtomicBool>,
}

impl Activity {
    /// Something is heard now.
    pub(super) fn begin() -> Self {
        let slept = Arc::default();
        // Without it a sleep goes unnoticed, which is no reason to do without the rest.
        let _ = signal_hook::flag::register(SIGCONT, Arc::clone(&slept));
        Self {
            start: Instant::now(),
            last_ms: Arc::default(),
            slept,
        }
    }

    /// Notes that nothing is waiting to be heard from a plugin that still speaks: a sleep before
    /// this moment has cost nothing.
    pub(super) fn caught_up(&self) {
        self.slept.store(false, Ordering::Relaxed);
    }

    /// Whether this process was stopped since it had caught up last, so that the plugin may have
    /// given up. To be asked by the main thread, on which the signal arrives that tells it.
    pub fn slept(&self) -> bool {
        self.slept.load(Ordering::Relaxed)
    }

    /// Notes that something was heard.
    pub(super) fn mark(&self) {
        let now_ms = self.start.elapsed().as_millis() as u64;
        self.last_ms.store(now_ms, Ordering::Relaxed);
    }

    /// How long it has been silent.
    pub(super) fn silence(&self) -> Duration {
        let last = Duration::from_millis(self.last_ms.load(Ordering::Relaxed));
        self.start.elapsed().saturating_sub(last)
    }
}
