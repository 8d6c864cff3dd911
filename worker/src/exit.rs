//! How pytest's process ended, and the one place that makes exit codes of this command.

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};

use rustix::process::Signal;

/// There is no Python to run, as a shell says of a command that it cannot find.
pub const NO_PYTHON: u8 = 127;
/// A time limit ended the run, as `timeout` says of a command.
pub const TIMED_OUT: u8 = 124;
/// pytest ended with 0, but what it said was not written: plain pytest would have failed too.
pub const OUTPUT_LOST: u8 = 1;
/// The command line was wrong: pytest's own number for that.
pub const USAGE: u8 = 4;
/// Something of the worker's own went wrong before pytest ran.
pub const WORKER_FAILED: u8 = 3;
/// `send` and `flush` could not deliver everything.
pub const NOT_SENT: u8 = 1;
/// `journal` could not do all that was asked.
pub const NOT_DONE: u8 = 1;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl From<ExitStatus> for Ended {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, Some(signal)) => Self::Signal(signal),
            (None, None) => Self::Code(1),
        }
    }
}

impl Ended {
    /// The exit code, when it ended by itself.
    pub const fn code(self) -> Option<i32> {
        match self {
            Self::Code(code) => Some(code),
            Self::Signal(_) => None,
        }
    }

    /// The signal's name, such as `SIGSEGV`, when one ended it.
    pub fn signal_name(self) -> Option<String> {
        match self {
            Self::Code(_) => None,
            Self::Signal(number) => Some(signal_name(number)),
        }
    }

    /// The number with which this process answers for pytest's, as a shell would.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Code(code) => code as u8,
            Self::Signal(number) => 128u8.wrapping_add(number as u8),
        }
    }
}

impl From<Ended> for ExitCode {
    fn from(ended: Ended) -> Self {
        Self::from(ended.exit_code())
    }
}

/// The name of a signal; a number that has none is spelled `SIG` and the number.
pub fn signal_name(number: i32) -> String {
    const NAMED: [(Signal, &str); 17] = [
        (Signal::HUP, "SIGHUP"),
        (Signal::INT, "SIGINT"),
        (Signal::QUIT, "SIGQUIT"),
        (Signal::ILL, "SIGILL"),
        (Signal::TRAP, "SIGTRAP"),
        (Signal::ABORT, "SIGABRT"),
        (Signal::BUS, "SIGBUS"),
        (Signal::FPE, "SIGFPE"),
        (Signal::KILL, "SIGKILL"),
        (Signal::USR1, "SIGUSR1"),
        (Signal::SEGV, "SIGSEGV"),
        (Signal::USR2, "SIGUSR2"),
        (Signal::PIPE, "SIGPIPE"),
        (Signal::ALARM, "SIGALRM"),
        (Signal::TERM, "SIGTERM"),
        (Signal::XCPU, "SIGXCPU"),
        (Signal::XFSZ, "SIGXFSZ"),
    ];
    NAMED
        .iter()
        .find(|(signal, _)| signal.as_raw() == number)
        .map_or_else(|| format!("SIG{number}"), |(_, name)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_passed_on_and_a_signal_becomes_what_a_shell_makes_of_it() {
        assert_eq!(Ended::Code(5).exit_code(), 5);
        assert_eq!(Ended::Signal(11).exit_code(), 139);
        assert_eq!(Ended::Signal(11).signal_name().unwrap(), "SIGSEGV");
        assert_eq!(Ended::Signal(9).code(), None);
        assert_eq!(signal_name(34), "SIG34");
    }
}
