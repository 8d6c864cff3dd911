//! Standard output and error of pytest: the worker's own, with an ear on them.
//!
//! Where ours is a terminal, pytest gets a terminal of the same size and modes; where it is a pipe
//! or a file, a pipe. Standard input stays the very same. Both streams are one when they lead to
//! the same place, so that lines keep their order.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::process::Stdio;

use rustix::fs::{Mode, OFlags, fstat};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{
    OptionalActions, OutputModes, isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize,
};

use super::pump::Flow;

/// Room in the pipe, so that pytest can print while the worker naps.
pub(super) const PIPE_BYTES: usize = 1024 * 1024;

/// No copy of a stream takes the place of a standard one.
const SPARE_MIN: i32 = 3;

/// Which of the worker's streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Target {
    /// The worker's own descriptor.
    pub(super) fn descriptor(self) -> BorrowedFd<'static> {
        match self {
            Self::Stdout => rustix::stdio::stdout(),
            Self::Stderr => rustix::stdio::stderr(),
        }
    }
}

/// A stream of pytest that has to be carried on.
#[derive(Debug)]
pub(super) struct Carried {
    /// Where pytest's output arrives.
    pub from: OwnedFd,
    /// How it arrives.
    pub flow: Flow,
    /// Where it goes.
    pub target: Target,
}

/// Both output streams, ready for a process to be started.
#[derive(Debug)]
pub(super) struct Streams {
    /// For the process.
    pub stdout: Stdio,
    /// For the process.
    pub stderr: Stdio,
    /// For the worker.
    pub carried: Vec<Carried>,
}

impl Streams {
    /// Prepares them like the worker's own. A stream that cannot be made is simply inherited: its
    /// text is then missing from the log, and nothing else.
    pub(super) fn like_ours() -> Self {
        let mut carried = Vec::new();
        let (stdout, shared) = match Channel::like(Target::Stdout) {
            Ok(channel) => {
                let shared = if leads_to_the_same_place() {
                    channel.to.try_clone().ok()
                } else {
                    None
                };
                carried.push(channel.carried);
                (Stdio::from(channel.to), shared)
            }
            Err(_) => (Stdio::inherit(), None),
        };
        let stderr = match (shared, Channel::like(Target::Stderr)) {
            (Some(same), _) => Stdio::from(same),
            (None, Ok(channel)) => {
                carried.push(channel.carried);
                Stdio::from(channel.to)
            }
            (None, Err(_)) => Stdio::inherit(),
        };
        Self {
            stdout,
            stderr,
            carried,
        }
    }

    /// The terminals that must follow the size of ours.
    pub(super) fn terminals(&self) -> Vec<(OwnedFd, Target)> {
        let terminals = self.carried.iter().filter(|c| c.flow == Flow::Terminal);
        terminals
            .filter_map(|carried| Some((carried.from.try_clone().ok()?, carried.target)))
            .collect()
    }
}

/// Our own ends of the streams that are carried, for the time when we are gone.
#[derive(Debug, Default)]
pub(super) struct Spares {
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
}

impl Spares {
    pub(super) fn of(carried: &[Carried]) -> Self {
        let spare = |target: Target| {
            let is_carried = carried.iter().any(|carried| carried.target == target);
            is_carried.then(|| fcntl_dupfd_cloexec(target.descriptor(), SPARE_MIN).ok())?
        };
        Self {
            stdout: spare(Target::Stdout),
            stderr: spare(Target::Stderr),
        }
    }

    /// Their numbers, as the plugin expects them.
    pub(super) fn names(&self) -> String {
        let name = |spare: &Option<OwnedFd>| {
            let number = spare.as_ref().map(AsRawFd::as_raw_fd);
            number.map_or_else(String::new, |number| number.to_string())
        };
        format!("{},{}", name(&self.stdout), name(&self.stderr))
    }

    pub(super) fn into_descriptors(self) -> impl Iterator<Item = OwnedFd> {
        self.stdout.into_iter().chain(self.stderr)
    }
}

struct Channel {
    carried: Carried,
    to: OwnedFd,
}

impl Channel {
    fn like(target: Target) -> io::Result<Self> {
        let (flow, (from, to)) = if isatty(target.descriptor()) {
            (Flow::Terminal, terminal_like(target.descriptor())?)
        } else {
            (Flow::Pipe, roomy_pipe()?)
        };
        let carried = Carried { from, flow, target };
        Ok(Self { carried, to })
    }
}

/// A pipe with as much room as the system grants: reader, writer.
pub(super) fn roomy_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (from, to) = pipe_with(PipeFlags::CLOEXEC)?;
    // A user with many pipes is refused; the ordinary size serves too.
    #[cfg(target_os = "linux")]
    let _ = rustix::pipe::fcntl_setpipe_size(&to, PIPE_BYTES);
    Ok((from, to))
}

fn terminal_like(ours: BorrowedFd) -> io::Result<(OwnedFd, OwnedFd)> {
    let from = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&from)?;
    unlockpt(&from)?;
    let name = ptsname(&from, Vec::new())?;
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let to = rustix::fs::open(name, flags, Mode::empty())?;
    let mut modes = tcgetattr(ours)?;
    // Ours makes line ends of what it is given; twice would be once too often.
    modes.output_modes.remove(OutputModes::OPOST);
    tcsetattr(&to, OptionalActions::Now, &modes)?;
    copy_size(ours, from.as_fd());
    Ok((from, to))
}

/// Gives a terminal the size of ours. One without a size keeps its own.
pub(super) fn copy_size(ours: BorrowedFd, theirs: BorrowedFd) {
    if let Ok(size) = tcgetwinsize(ours) {
        let _ = tcsetwinsize(theirs, size);
    }
}

/// Whether this process belongs to a terminal, whose keys reach it and pytest alike.
pub(super) fn has_terminal() -> bool {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::open("/dev/tty", flags, Mode::empty()).is_ok()
}

fn leads_to_the_same_place() -> bool {
    let place = |target: Target| {
        let file = fstat(target.descriptor()).ok()?;
        Some((file.st_dev, file.st_ino, file.st_rdev))
    };
    let stdout = place(Target::Stdout);
    stdout.is_some() && stdout == place(Target::Stderr)
}

/// The end of the plugin's pipe that another process gave us by number.
pub(super) fn inherited(descriptor: u32) -> io::Result<OwnedFd> {
    // Opened again instead of adopted: a number alone proves no ownership. It does not block when
    // the writer is already gone.
    let path = format!("/dev/fd/{descriptor}");
    let file = rustix::fs::open(
        path,
        OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    Ok(File::from(file).into())
}
