//! The pipe by which a process of an attempt hears from the one above it, and notices when that is gone.
//!
//! It is standard input. What it says is lines; a process that reads them late is not deceived, because
//! they name moments of a clock that both share.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::stdio::{dup2_stdin, stdin};

use super::clock::Moment;

/// No copy takes the place of a standard stream.
const DESCRIPTOR_MIN: i32 = 3;

/// Longest line.
const LINE_BYTES_MAX: usize = 64;

/// What can be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// The lease holds until then at least.
    Until(Moment),
    /// Somebody wants it to end.
    Cancel,
    /// It is given back.
    Release,
    /// The lease is over.
    Lost,
}

impl Told {
    /// As a line.
    pub fn line(self) -> String {
        match self {
            Self::Until(moment) => format!("until {}\n", moment.number()),
            Self::Cancel => "cancel\n".to_owned(),
            Self::Release => "release\n".to_owned(),
            Self::Lost => "lost\n".to_owned(),
        }
    }

    /// Out of a line; one that says nothing known says nothing.
    fn of(line: &str) -> Option<Self> {
        match line.split_once(' ') {
            Some(("until", number)) => Some(Self::Until(Moment::of_number(number.parse().ok()?))),
            None if line == "cancel" => Some(Self::Cancel),
            None if line == "release" => Some(Self::Release),
            None if line == "lost" => Some(Self::Lost),
            _ => None,
        }
    }
}

/// The reading end.
#[derive(Debug)]
pub struct Lifeline {
    from: OwnedFd,
    rest: Vec<u8>,
}

impl Lifeline {
    /// Takes standard input for itself; what this process starts finds nothing there.
    pub fn take_standard_input() -> std::io::Result<Self> {
        let from = fcntl_dupfd_cloexec(stdin(), DESCRIPTOR_MIN)?;
        dup2_stdin(File::open("/dev/null")?)?;
        Self::of(from)
    }

    /// Takes any pipe.
    pub fn of(from: OwnedFd) -> std::io::Result<Self> {
        fcntl_setfl(&from, fcntl_getfl(&from)? | OFlags::NONBLOCK)?;
        Ok(Self {
            from,
            rest: Vec::new(),
        })
    }

    /// What has been said since it was asked last; `AGAIN` when it was nothing, `PIPE` when nobody is there
    /// any more.
    pub fn hear(&mut self) -> Result<Vec<Told>, Errno> {
        let mut bytes = [0; 4096];
        match rustix::io::read(&self.from, &mut bytes) {
            Ok(0) => Err(Errno::PIPE),
            Ok(count) => Ok(self.take(&bytes[..count])),
            Err(Errno::INTR) => Err(Errno::AGAIN),
            Err(error) => Err(error),
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Vec<Told> {
        let mut told = Vec::new();
        for byte in bytes {
            if *byte == b'\n' {
                told.extend(std::str::from_utf8(&self.rest).ok().and_then(Told::of));
                self.rest.clear();
            } else if self.rest.len() < LINE_BYTES_MAX {
                self.rest.push(*byte);
            }
        }
        told
    }
}

impl AsFd for Lifeline {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.from.as_fd()
    }
}

/// Says a line without ever waiting: who does not read has his clock.
pub fn say(to: &impl AsFd, told: Told) -> Result<(), Errno> {
    let line = told.line();
    match rustix::io::write(to, line.as_bytes()) {
        // Lines are far shorter than what a pipe takes whole or not at all.
        Ok(_) | Err(Errno::AGAIN | Errno::INTR) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes sure of that for the writing end.
pub fn never_block(to: &impl AsFd) -> Result<(), Errno> {
    fcntl_setfl(to, fcntl_getfl(to)? | OFlags::NONBLOCK)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::pipe::{PipeFlags, pipe_with};

    use super::*;

    #[test]
    fn what_is_said_is_heard_in_order_and_then_that_nobody_is_there() {
        let (from, to) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let mut lifeline = Lifeline::of(from).unwrap();
        assert_eq!(lifeline.hear(), Err(Errno::AGAIN));
        let moment = Moment::now().plus(Duration::from_secs(1));
        let said = [Told::Until(moment), Told::Cancel, Told::Release, Told::Lost];
        for told in said {
            say(&to, told).unwrap();
        }
        rustix::io::write(&to, b"nonsense\nunti").unwrap();
        assert_eq!(lifeline.hear().unwrap(), said);
        drop(to);
        assert_eq!(lifeline.hear(), Err(Errno::PIPE));
    }

    #[test]
    fn who_does_not_listen_keeps_nobody_waiting() {
        let (_from, to) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        never_block(&to).unwrap();
        for _ in 0..100_000 {
            say(&to, Told::Until(Moment::now())).unwrap();
        }
    }
}
