//! The pipe on which the plugin's events arrive.

use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use super::activity::Activity;
use super::pump::{Flow, is_ready, pump};

/// A process whose pipe is closed because it ends is gone after this time, even on a busy machine.
const END_MAX: Duration = Duration::from_secs(1);

/// Where the plugin's events arrive, and what tells that no more will.
#[derive(Debug)]
pub struct EventPipe {
    /// The events.
    pub(super) from: OwnedFd,
    /// Closed at pytest's end, even when somebody else still holds the pipe.
    pub(super) ended: OwnedFd,
    pub(super) activity: Activity,
}

impl EventPipe {
    /// The pipe of a pytest that started this process and gave it the pipe by number.
    pub fn inherited(descriptor: u32) -> io::Result<Self> {
        let from = super::streams::inherited(descriptor)?;
        let ended = parents_end()?;
        let activity = Activity::begin();
        Ok(Self {
            from,
            ended,
            activity,
        })
    }

    /// Gives everything that arrives to `take`, until the pipe's end or pytest's.
    pub fn pump(&self, mut take: impl FnMut(&[u8])) {
        let take = |bytes: &[u8]| {
            self.activity.mark();
            take(bytes);
            ControlFlow::Continue(())
        };
        let caught_up = || self.activity.caught_up();
        pump(&self.from, Flow::Pipe, self.ended.as_fd(), take, caught_up);
    }

    /// What tells when the pipe was heard last, and whether something may have been missed.
    pub fn activity(&self) -> Activity {
        self.activity.clone()
    }

    /// Whether pytest goes on although the pipe has ended. It waits a moment for pytest's end.
    pub fn is_outlived(&self) -> bool {
        !is_ready(&[self.ended.as_fd()], END_MAX)
    }
}

/// Readable when the process that started this one has ended.
#[cfg(target_os = "linux")]
fn parents_end() -> io::Result<OwnedFd> {
    use rustix::process::{PidfdFlags, getppid, pidfd_open};
    let parent = getppid().ok_or(io::ErrorKind::NotFound)?;
    Ok(pidfd_open(parent, PidfdFlags::empty())?)
}

/// Never readable: elsewhere, only the end of the pipe itself is noticed.
#[cfg(not(target_os = "linux"))]
fn parents_end() -> io::Result<OwnedFd> {
    let (ended, alive) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    std::mem::forget(alive);
    Ok(ended)
}

#[cfg(test)]
mod tests {
    use rustix::pipe::{PipeFlags, pipe_with};

    use super::*;

    #[test]
    fn a_pipe_that_ends_with_its_process_is_not_outlived_and_one_that_was_closed_is() {
        let (from, to) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let (ended, alive) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let activity = Activity::begin();
        let pipe = EventPipe {
            from,
            ended,
            activity,
        };
        rustix::io::write(&to, b"{}\n").unwrap();
        drop(to);
        let mut heard = Vec::new();
        pipe.pump(|bytes| heard.extend_from_slice(bytes));
        assert_eq!(heard, b"{}\n");
        assert!(pipe.is_outlived());
        drop(alive);
        assert!(!pipe.is_outlived());
    }
}
