//! Reading a stream of another process: in batches while it lives, and not forever after.
//!
//! A process that writes many small lines would wake a blocked reader at each of them, which costs
//! both sides. So the reader takes all there is, then naps, and is woken early only by the end.

use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;

/// Longest nap of a pipe's reader, and so the longest that output can lag behind.
const PIPE_NAP: Duration = Duration::from_millis(10);

/// The same of a terminal, which holds less than a pipe and is watched by a person.
const TERMINAL_NAP: Duration = Duration::from_millis(2);

/// Where so much came at once, the writer may soon find no room: then there is no nap.
const BUSY_BYTES: usize = 32 * 1024;

/// Bytes asked for at once.
const READ_BYTES: usize = 256 * 1024;

/// After the writer's end, others that inherited its stream are heard no longer than this.
const DRAIN_MAX: Duration = Duration::from_secs(1);

/// After the writer's end, silence for this long ends a terminal: its bytes arrive with a delay.
const TERMINAL_SETTLES: Duration = Duration::from_millis(100);

/// What kind of stream is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// A pipe: what was written is there at once.
    Pipe,
    /// A terminal.
    Terminal,
}

impl Flow {
    const fn nap(self) -> Duration {
        match self {
            Self::Pipe => PIPE_NAP,
            Self::Terminal => TERMINAL_NAP,
        }
    }
}

/// Gives everything that arrives on `from` to `take`, until the stream's end, until `take` breaks,
/// or, once `ended` is readable or closed, until what was already written has been taken. Tells
/// `caught_up` whenever nothing is left to take from a stream that is still open.
pub(super) fn pump(
    from: &OwnedFd,
    flow: Flow,
    ended: BorrowedFd,
    mut take: impl FnMut(&[u8]) -> ControlFlow<()>,
    caught_up: impl Fn(),
) {
    if fcntl_getfl(from)
        .and_then(|flags| fcntl_setfl(from, flags | OFlags::NONBLOCK))
        .is_err()
    {
        return;
    }
    let mut buffer = vec![0; READ_BYTES];
    let mut deadline: Option<Instant> = None;
    loop {
        let mut taken = 0;
        loop {
            match rustix::io::read(from, &mut buffer) {
                Ok(0) => return,
                Ok(count) => {
                    taken += count;
                    if take(&buffer[..count]).is_break() || is_over(deadline) {
                        return;
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                // A terminal answers EIO when its last writer has closed it.
                Err(_) => return,
            }
        }
        if deadline.is_some() {
            let is_settled = flow == Flow::Pipe || !is_ready(&[from.as_fd()], TERMINAL_SETTLES);
            if is_settled || is_over(deadline) {
                return;
            }
            continue;
        }
        caught_up();
        is_ready(&[from.as_fd(), ended], Duration::MAX);
        let nap = if taken < BUSY_BYTES {
            flow.nap()
        } else {
            Duration::ZERO
        };
        if is_ready(&[ended], nap) {
            deadline = Some(Instant::now() + DRAIN_MAX);
        }
    }
}

fn is_over(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| Instant::now() >= deadline)
}

/// Waits until one of the descriptors has something to say, at most `longest`, which can be
/// [`Duration::MAX`].
pub(crate) fn is_ready(descriptors: &[BorrowedFd], longest: Duration) -> bool {
    let mut waiting: Vec<PollFd> = descriptors
        .iter()
        .map(|descriptor| PollFd::from_borrowed_fd(*descriptor, PollFlags::IN))
        .collect();
    let longest = (longest != Duration::MAX).then(|| Timespec {
        tv_sec: longest.as_secs() as i64,
        tv_nsec: i64::from(longest.subsec_nanos()),
    });
    loop {
        match poll(&mut waiting, longest.as_ref()) {
            Ok(count) => return count > 0,
            Err(Errno::INTR) => {}
            // Nothing can be waited for; the caller's next read says what is the matter.
            Err(_) => return true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::{PipeFlags, pipe_with};

    fn pipe() -> (OwnedFd, OwnedFd) {
        pipe_with(PipeFlags::CLOEXEC).unwrap()
    }

    fn pump_all(from: &OwnedFd, ended: &OwnedFd) -> Vec<u8> {
        let mut all = Vec::new();
        pump(
            from,
            Flow::Pipe,
            ended.as_fd(),
            |bytes| {
                all.extend_from_slice(bytes);
                ControlFlow::Continue(())
            },
            || (),
        );
        all
    }

    #[test]
    fn everything_arrives_until_the_writer_closes() {
        let (from, to) = pipe();
        let (ended, _alive) = pipe();
        let writer = std::thread::spawn(move || {
            for number in 0..20_000 {
                rustix::io::write(&to, format!("{number}\n").as_bytes()).unwrap();
            }
        });
        let text = String::from_utf8(pump_all(&from, &ended)).unwrap();
        writer.join().unwrap();
        assert!(
            text.lines()
                .map(|line| line.parse::<u32>().unwrap())
                .eq(0..20_000)
        );
    }

    #[test]
    fn what_was_written_before_the_end_arrives_although_somebody_keeps_the_pipe_open() {
        let (from, to) = pipe();
        let (ended, alive) = pipe();
        rustix::io::write(&to, b"last words").unwrap();
        drop(alive);
        let start = Instant::now();
        assert_eq!(pump_all(&from, &ended), b"last words");
        assert!(start.elapsed() < Duration::from_millis(500));
        drop(to);
    }

    #[test]
    fn somebody_who_goes_on_writing_after_the_end_is_heard_only_for_a_while() {
        let (from, to) = pipe();
        let (ended, alive) = pipe();
        drop(alive);
        let writer = std::thread::spawn(move || {
            let chunk = [b'x'; 4096];
            while rustix::io::write(&to, &chunk).is_ok() {}
        });
        let start = Instant::now();
        let take = |_: &[u8]| ControlFlow::Continue(());
        pump(&from, Flow::Pipe, ended.as_fd(), take, || ());
        assert!(start.elapsed() < DRAIN_MAX + Duration::from_secs(2));
        drop(from);
        writer.join().unwrap();
    }

    #[test]
    fn the_end_cuts_a_nap_short() {
        let (from, to) = pipe();
        let (ended, alive) = pipe();
        let reader = std::thread::spawn(move || {
            let all = pump_all(&from, &ended);
            (all, Instant::now())
        });
        std::thread::sleep(Duration::from_millis(50));
        rustix::io::write(&to, b"x").unwrap();
        drop(to);
        let end = Instant::now();
        drop(alive);
        let (all, returned) = reader.join().unwrap();
        assert_eq!(all, b"x");
        assert!(returned - end < Duration::from_millis(200));
    }
}
