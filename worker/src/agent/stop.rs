//! The end of an agent: each signal asks for it more firmly.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use tokio::sync::watch;

use crate::report;

/// How firmly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Not at all.
    Work,
    /// No further job is taken; those that go on come to their end.
    Drain,
    /// Jobs are given back.
    Release,
    /// Jobs are killed.
    Kill,
}

impl Level {
    const fn next(self) -> Self {
        match self {
            Self::Work => Self::Drain,
            Self::Drain => Self::Release,
            Self::Release | Self::Kill => Self::Kill,
        }
    }

    const fn words(self, takes: Takes) -> &'static str {
        match (self, takes) {
            (Self::Work, _) => "goes on",
            (Self::Drain, Takes::Jobs) => {
                "takes no more jobs, and ends when those it has are over; a second signal gives them back"
            }
            (Self::Drain, Takes::Tasks) => {
                "takes no more tasks, and ends when the one it has is over; a second signal ends that task"
            }
            (Self::Release, Takes::Jobs) => "gives its jobs back; a third signal kills them",
            (Self::Release, Takes::Tasks) => {
                "ends its task and reports that; a third signal kills it"
            }
            (Self::Kill, Takes::Jobs) => "kills its jobs",
            (Self::Kill, Takes::Tasks) => "kills its task; the next start reports that",
        }
    }
}

/// What an agent takes, for the words about its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Jobs of a master, which can be given back.
    Jobs,
    /// Tasks of a backend, which cannot.
    Tasks,
}

/// All clones are one.
#[derive(Debug, Clone)]
pub struct Stop(Arc<watch::Sender<Level>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Level::Work)))
    }
}

impl Stop {
    /// How firmly by now.
    pub fn level(&self) -> Level {
        *self.0.borrow()
    }

    /// Asks for the end at least so firmly.
    pub fn raise(&self, level: Level) {
        self.0.send_if_modified(|current| {
            let is_news = level > *current;
            *current = level.max(*current);
            is_news
        });
    }

    /// Ends when no further job is to be taken.
    pub async fn asked(&self) {
        let mut level = self.0.subscribe();
        // The sender lives as long as this does.
        let _ = level.wait_for(|level| *level > Level::Work).await;
    }

    /// Ends so much later than jobs are to be killed.
    pub async fn killed(&self, later: Duration) {
        let mut level = self.0.subscribe();
        let _ = level.wait_for(|level| *level == Level::Kill).await;
        tokio::time::sleep(later).await;
    }

    /// Waits, at most so long, for the end to be asked for.
    pub fn wait(&self, longest: Duration) {
        let deadline = std::time::Instant::now() + longest;
        while self.level() == Level::Work {
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(Duration::from_millis(50)));
        }
    }

    /// Listens for signals.
    pub fn listen(&self, takes: Takes) -> io::Result<Listening> {
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let handle = signals.handle();
        let stop = self.clone();
        let thread = std::thread::spawn(move || {
            for _ in signals.forever() {
                let next = stop.level().next();
                report::say(&format!("the agent {}", next.words(takes)));
                stop.raise(next);
            }
        });
        Ok(Listening { handle, thread })
    }
}

/// Whoever listens.
#[derive(Debug)]
pub struct Listening {
    handle: Handle,
    thread: JoinHandle<()>,
}

impl Listening {
    /// Stops to listen.
    pub fn finish(self) {
        self.handle.close();
        // Its work is done; that it panicked would change nothing.
        let _ = self.thread.join();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_only_gets_firmer() {
        let stop = Stop::default();
        stop.raise(Level::Release);
        stop.raise(Level::Drain);
        assert_eq!(stop.level(), Level::Release);
        assert_eq!(stop.level().next(), Level::Kill);
        assert_eq!(Level::Kill.next(), Level::Kill);
        stop.wait(Duration::from_mins(1));
    }
}
