//! Word that somebody wants the worker to end while it reports.
//!
//! Its handlers for pytest's sake stay when pytest has ended, so that no signal cuts the report off.
//! Whoever sends one waits for the end, though, and what does not arrive is in the journal.

use std::io;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded, never};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

/// How long the upload may go on after the first word; a second ends it at once. It leaves time for
/// the disk within the grace of a run that is stopped.
pub const STOPPED_UPLOAD_MAX: Duration = Duration::from_secs(4);

/// Most words that are heard.
const WORDS_MAX: usize = 2;

/// Whoever listens for signals that are meant to end the worker.
#[derive(Debug)]
pub struct Impatience {
    listening: Option<(Handle, JoinHandle<()>)>,
    words: Receiver<()>,
}

impl Impatience {
    /// Listens from now on.
    pub fn listen() -> Self {
        Self::try_listen().unwrap_or_else(|_| Self::none())
    }

    /// Nobody listens: signals do what they do.
    pub fn none() -> Self {
        Self {
            listening: None,
            words: never(),
        }
    }

    fn try_listen() -> io::Result<Self> {
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let handle = signals.handle();
        let (word, words) = bounded(WORDS_MAX);
        let thread = std::thread::spawn(move || {
            for _ in signals.forever() {
                // More than are heard change nothing.
                let _ = word.try_send(());
            }
        });
        Ok(Self {
            listening: Some((handle, thread)),
            words,
        })
    }

    /// One message a signal.
    pub const fn words(&self) -> &Receiver<()> {
        &self.words
    }

    /// Stops to listen.
    pub fn finish(self) {
        if let Some((handle, thread)) = self.listening {
            handle.close();
            // Its work is done; that it panicked would change nothing.
            let _ = thread.join();
        }
    }
}
