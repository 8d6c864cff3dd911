//! Carrying a stream of pytest to the worker's own, and remembering its end.

use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::pump::pump;
use super::streams::Carried;
use super::tail::Tail;

/// Starts to carry. The thread ends with the stream, or soon after `ended` closes.
///
/// When nobody reads our side any more, it closes pytest's as well: pytest then finds the broken
/// pipe that it would have found without us.
pub(super) fn start(carried: Carried, ended: OwnedFd, tail: Arc<Mutex<Tail>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        pump(&carried.from, carried.flow, ended.as_fd(), |bytes| {
            if let Ok(mut tail) = tail.lock() {
                tail.push(bytes);
            }
            write_all(carried.target.descriptor(), bytes)
        });
    })
}

fn write_all(to: BorrowedFd, mut bytes: &[u8]) -> ControlFlow<()> {
    while !bytes.is_empty() {
        match rustix::io::write(to, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            // Somebody who shares the stream made it non-blocking.
            Err(Errno::AGAIN) => {
                let mut waiting = [PollFd::from_borrowed_fd(to, PollFlags::OUT)];
                let _ = poll(&mut waiting, None);
            }
            Err(_) => return ControlFlow::Break(()),
        }
    }
    ControlFlow::Continue(())
}
