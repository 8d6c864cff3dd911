//! Carrying a stream of pytest to the worker's own, and remembering its end.

use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::activity::Activity;
use super::pump::pump;
use super::streams::Carried;
use super::tail::Tail;

/// A thread that carries.
#[derive(Debug)]
pub(super) struct Relay(JoinHandle<Relayed>);

/// What became of a stream.
#[derive(Debug)]
pub(super) enum Relayed {
    /// All of it was passed on.
    Whole,
    /// This kept a part of it from whom it was for.
    Lost(io::Error),
}

impl Relay {
    /// Starts to carry. The thread ends with the stream, or soon after `ended` closes.
    ///
    /// When nobody takes our side any more, it closes pytest's as well: pytest then finds a broken
    /// pipe, much as it would have found an error without us.
    pub(super) fn start(
        carried: Carried,
        ended: OwnedFd,
        tail: Arc<Mutex<Tail>>,
        activity: Activity,
    ) -> Self {
        Self(std::thread::spawn(move || {
            let mut relayed = Relayed::Whole;
            let take = |bytes: &[u8]| {
                activity.mark();
                if let Ok(mut tail) = tail.lock() {
                    tail.push(bytes);
                }
                match write_all(carried.target.descriptor(), bytes) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(error) => {
                        relayed = Relayed::Lost(error);
                        ControlFlow::Break(())
                    }
                }
            };
            pump(&carried.from, carried.flow, ended.as_fd(), take, || ());
            relayed
        }))
    }

    /// Waits for the end of the stream.
    pub(super) fn finish(self) -> Relayed {
        let lost = || {
            Relayed::Lost(io::Error::other(
                "the worker panicked while it passed it on",
            ))
        };
        self.0.join().unwrap_or_else(|_| lost())
    }
}

fn write_all(to: BorrowedFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(to, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            // Somebody who shares the stream made it non-blocking.
            Err(Errno::AGAIN) => {
                let mut waiting = [PollFd::from_borrowed_fd(to, PollFlags::OUT)];
                let _ = poll(&mut waiting, None);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
