//! Signals that end an agent that works for a task backend.
//!
//! The first lets the task that is carried out come to its end, the second ends it and reports that, the
//! third ends the agent at once.

use std::future::Future;
use std::io;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, bounded};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use tokio::sync::watch;

use crate::agent::attempt::Ask;
use crate::exit::Ended;
use crate::report;

const DRAINS: &str = "the agent takes no more tasks, and ends when the one it has is over; a second \
    signal ends that task";

const RELEASES: &str = "the agent ends its task and reports that; a third signal ends it at once";

/// Listens to them.
pub(super) struct Stop {
    count: watch::Receiver<u32>,
    asked: Receiver<Ask>,
    handle: Handle,
    thread: JoinHandle<()>,
}

impl Stop {
    /// Starts to listen.
    pub(super) fn listen() -> io::Result<Self> {
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let (counter, count) = watch::channel(0);
        let (ask, asked) = bounded(1);
        let handle = signals.handle();
        let thread = std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                for signal in signals.forever() {
                    counter.send_modify(|count| *count += 1);
                    match *counter.borrow() {
                        1 => report::say(DRAINS),
                        2 => {
                            report::say(RELEASES);
                            // Full means that it was asked already.
                            let _ = ask.try_send(Ask::Release);
                        }
                        _ => std::process::exit(i32::from(Ended::Signal(signal).exit_code())),
                    }
                }
            })?;
        Ok(Self {
            count,
            asked,
            handle,
            thread,
        })
    }

    /// Whether the agent was told to stop.
    pub(super) fn is_told(&self) -> bool {
        *self.count.borrow() > 0
    }

    /// Ready when it is.
    pub(super) fn told(&self) -> impl Future<Output = ()> + use<> {
        let mut count = self.count.clone();
        async move {
            if count.wait_for(|count| *count > 0).await.is_err() {
                // Nobody listens any more: nobody will tell.
                std::future::pending::<()>().await;
            }
        }
    }

    /// What the attempt that goes on is asked.
    pub(super) const fn asked(&self) -> &Receiver<Ask> {
        &self.asked
    }

    /// Stops to listen.
    pub(super) fn finish(self) {
        self.handle.close();
        // It only counts.
        let _ = self.thread.join();
    }
}
