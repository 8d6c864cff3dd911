//! `guard`: stands between the worker of an agent's job and pytest, and outlives every reason to go on.
//!
//! It is told on its standard input until when the tests may go on. When that time is over, or whoever
//! tells is gone, it kills pytest and all that descends from it. When pytest has ended, so does what it
//! left behind.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use signal_hook::consts::{SIGABRT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;

use super::guarded::{GUARD_NAME, PREFIX};
use super::living::Living;
use super::pump::is_ready;
use super::sweep;
use crate::agent::clock::Moment;
use crate::agent::lifeline::{Lifeline, Told};
use crate::agent::secrecy;
use crate::cli::GuardArguments;
use crate::exit::{self, Ended};
use crate::report;

/// Between two looks at the clock. It is also what a machine that was suspended grants the tests.
const TICK: Duration = Duration::from_millis(250);

/// Without a word for so long at the beginning, nobody is there.
const FIRST_WORD_MAX: Duration = Duration::from_secs(10);

/// Starts a command and answers with its exit code, or ends by the signal that ended it.
pub fn guard(arguments: &GuardArguments) -> ExitCode {
    secrecy::hide_from_others();
    secrecy::rename(GUARD_NAME);
    let ended = watch_over(&arguments.command);
    match ended.map(|ended| told(ended, arguments.sandboxed)) {
        Ok(Ended::Code(code)) => ExitCode::from(code as u8),
        Ok(Ended::Signal(signal)) => end_by(signal),
        Err(error) => {
            report::say(&format!("cannot start the tests: {error}"));
            ExitCode::from(exit::WORKER_FAILED)
        }
    }
}

fn watch_over(words: &[OsString]) -> io::Result<Ended> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let lifeline = Lifeline::take_standard_input()?;
    let (over, alive) = pipe_with(PipeFlags::CLOEXEC)?;
    let living = Living::default();
    living.adopt_orphans();
    // Caught instead of ignored: what is ignored would be ignored by pytest as well.
    let signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGABRT, SIGUSR1, SIGUSR2])?;
    let handle = signals.handle();
    let child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(variables())
        .stdin(Stdio::null())
        .spawn()?;
    let process = Pid::from_child(&child);
    living.begin(process, false);
    let passer = std::thread::spawn(move || pass_on(signals, process));
    let watched = living.clone();
    let watch = std::thread::spawn(move || {
        if wait_for_a_reason(lifeline, &over) {
            watched.kill_tree();
        }
    });
    let status = living.wait(process)?;
    drop(alive);
    handle.close();
    // Both only wait for what has just been said; a panic there would have nothing to tell.
    let _ = watch.join();
    let _ = passer.join();
    sweep::kill_below();
    Ok(Ended::from(status))
}

/// The variables that were meant for the tests.
fn variables() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_vec();
        let name = name.strip_prefix(PREFIX.as_bytes())?;
        Some((OsStr::from_bytes(name).to_owned(), value))
    })
}

/// Those that end a whole group reach pytest by themselves.
fn pass_on(mut signals: Signals, process: Pid) {
    for number in signals.forever() {
        if number == SIGABRT {
            // It is sent for Python's words, not for a picture of its memory.
            let none = Rlimit {
                current: Some(0),
                maximum: Some(0),
            };
            let _ = prlimit(Some(process), Resource::Core, none);
        }
        if ![SIGINT, SIGTERM, SIGHUP].contains(&number)
            && let Some(signal) = Signal::from_named_raw(number)
        {
            // It may have ended in this very moment.
            let _ = kill_process(process, signal);
        }
    }
}

/// Waits until the tests may not go on, or are over: then the answer is no.
fn wait_for_a_reason(mut lifeline: Lifeline, over: &OwnedFd) -> bool {
    let begun = Moment::now();
    let mut until = begun.plus(FIRST_WORD_MAX);
    loop {
        is_ready(&[lifeline.as_fd(), over.as_fd()], TICK);
        if is_ready(&[over.as_fd()], Duration::ZERO) {
            return false;
        }
        if Moment::now() >= until {
            return true;
        }
        match lifeline.hear() {
            Ok(words) => {
                for word in words {
                    if let Told::Until(moment) = word {
                        until = moment;
                    }
                }
            }
            Err(Errno::AGAIN) => {}
            Err(_) => return true,
        }
    }
}

/// How pytest ended. bubblewrap outlives it, and says of a signal what a shell says of it; pytest's own
/// codes are far below.
fn told(ended: Ended, is_sandboxed: bool) -> Ended {
    match ended {
        Ended::Code(code) if is_sandboxed => {
            let signal = code - i32::from(Ended::Signal(0).exit_code());
            match Signal::from_named_raw(signal) {
                Some(_) => Ended::Signal(signal),
                None => ended,
            }
        }
        ended => ended,
    }
}

/// Ends as pytest did, so that the worker sees what happened.
fn end_by(signal: i32) -> ExitCode {
    let _ = rustix::process::setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    );
    let _ = signal_hook::low_level::emulate_default_handler(signal);
    if let Some(signal) = Signal::from_named_raw(signal) {
        let _ = kill_process(rustix::process::getpid(), signal);
    }
    ExitCode::from(Ended::Signal(signal).exit_code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_sandbox_tells_signals_by_codes() {
        assert_eq!(told(Ended::Code(139), true), Ended::Signal(11));
        assert_eq!(told(Ended::Code(139), false), Ended::Code(139));
        for code in [0, 1, 5, 127, 128, 255] {
            assert_eq!(told(Ended::Code(code), true), Ended::Code(code));
        }
        assert_eq!(told(Ended::Signal(9), true), Ended::Signal(9));
    }
}
