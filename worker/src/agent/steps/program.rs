//! A program that a step starts: its output goes into the log, its time and what it may write are
//! limited, and the end of what it said is kept for the error.

use std::io::{self, PipeReader, Read, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};

use super::JobLog;
use super::disk::bytes_below;
use super::words::{Secrets, last_lines};

/// Between two looks at whether it has ended.
const TICK: Duration = Duration::from_millis(50);

/// The same for one that says nothing more.
const ENDING_TICK: Duration = Duration::from_millis(2);

/// Between two looks at how much it has written.
const WEIGH_EVERY: Duration = Duration::from_millis(500);

/// How long the output of what it left behind is still heard after its end.
const LATE_OUTPUT: Duration = Duration::from_millis(500);

/// How long it may take to end by itself.
const END_GRACE: Duration = Duration::from_secs(3);

/// As much of its end as is kept.
const TAIL_BYTES: usize = 8 * 1024;

/// How long a program may take, and how much it may write.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    /// No longer than until then.
    pub(super) until: Instant,
    /// What the limit is called, such as `the limit of 600 s for fetch (--fetch-timeout)`.
    pub(super) until_is: String,
    /// The folder that it writes to, and the most bytes that may be in it.
    pub(super) folder: Option<(PathBuf, u64)>,
}

impl Bounds {
    /// Until `limit`, or until the job's own time is over.
    pub(super) fn until(limit: Instant, limit_is: String, job: Option<Instant>) -> Self {
        let (until, until_is) = match job.filter(|job| *job < limit) {
            Some(job) => (job, "the job's time is over (timeout_s)".to_owned()),
            None => (limit, limit_is),
        };
        Self {
            until,
            until_is,
            folder: None,
        }
    }

    /// The same, for something that writes no more than so many bytes into a folder.
    pub(super) fn within(self, folder: PathBuf, bytes_max: u64) -> Self {
        Self {
            folder: Some((folder, bytes_max)),
            ..self
        }
    }
}

/// How a program ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// Its code or signal.
    pub(super) status: ExitStatus,
    /// The end of what it said.
    pub(super) tail: String,
}

impl Ended {
    /// Whether all went well.
    pub(super) fn is_success(&self) -> bool {
        self.status.success()
    }

    /// Its last words, for an error.
    pub(super) fn last_words(&self) -> String {
        let words = last_lines(&self.tail);
        if words.is_empty() {
            return format!("it ended with {} and said nothing", self.status);
        }
        words
    }
}

/// Why a program was not heard to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("cannot start {program}: {error}")]
    Start { program: String, error: io::Error },
    #[error("{program} was ended: {why}")]
    Bound { program: String, why: String },
    #[error("lost sight of {program}: {error}")]
    Lost { program: String, error: io::Error },
}

/// Runs a program to its end. What it says goes to the log, with `secrets` taken out. Its input is
/// empty.
pub(super) fn run(
    mut command: Command,
    bounds: &Bounds,
    secrets: &Secrets,
    log: &mut JobLog<impl Write>,
) -> Result<Ended, Broken> {
    let program = command.get_program().to_string_lossy().into_owned();
    let program = program.rsplit('/').next().unwrap_or_default().to_owned();
    let start = |error| Broken::Start {
        program: program.clone(),
        error,
    };
    let (from, to) = io::pipe().map_err(start)?;
    let errors = to.try_clone().map_err(start)?;
    command.stdin(Stdio::null()).stdout(to).stderr(errors);
    let mut child = command.spawn().map_err(start)?;
    // It holds our copies of the writing end.
    drop(command);
    let mut hearing = Hearing::new(from, secrets);
    let waited = wait(&mut child, &mut hearing, bounds, log);
    hearing.end(log);
    match waited {
        Ok(Waited::Ended(status)) => Ok(Ended {
            status,
            tail: hearing.tail,
        }),
        Ok(Waited::Bound(why)) => Err(Broken::Bound { program, why }),
        Err(error) => {
            end(&mut child);
            Err(Broken::Lost { program, error })
        }
    }
}

/// What came of waiting.
enum Waited {
    Ended(ExitStatus),
    Bound(String),
}

fn wait(
    child: &mut Child,
    hearing: &mut Hearing<'_>,
    bounds: &Bounds,
    log: &mut JobLog<impl Write>,
) -> io::Result<Waited> {
    let mut weighed = Instant::now();
    loop {
        hearing.hear(TICK, log)?;
        if let Some(status) = child.try_wait()? {
            let until = Instant::now() + LATE_OUTPUT;
            while hearing.is_open && Instant::now() < until && hearing.hear(TICK, log)? {}
            return Ok(match overweight(bounds) {
                Some(why) => Waited::Bound(why),
                None => Waited::Ended(status),
            });
        }
        let mut why = (Instant::now() >= bounds.until).then(|| bounds.until_is.clone());
        if why.is_none() && weighed.elapsed() >= WEIGH_EVERY {
            why = overweight(bounds);
            weighed = Instant::now();
        }
        if let Some(why) = why {
            end(child);
            return Ok(Waited::Bound(why));
        }
    }
}

/// Says what is too much, if something is.
fn overweight(bounds: &Bounds) -> Option<String> {
    let (folder, bytes_max) = bounds.folder.as_ref()?;
    (bytes_below(folder, *bytes_max) > *bytes_max).then(|| {
        let mib = bytes_max / (1024 * 1024);
        format!("it wrote more than the {mib} MiB that a source may have (--fetch-max)")
    })
}

/// Ends a program that would not end by itself. What it started is ended with the attempt.
fn end(child: &mut Child) {
    let process = Pid::from_child(child);
    let _ = kill_process(process, Signal::TERM);
    let until = Instant::now() + END_GRACE;
    while matches!(child.try_wait(), Ok(None)) && Instant::now() < until {
        std::thread::sleep(TICK);
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// The reading end of its output.
struct Hearing<'a> {
    from: PipeReader,
    secrets: &'a Secrets,
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    tail: String,
    is_open: bool,
}

impl<'a> Hearing<'a> {
    const fn new(from: PipeReader, secrets: &'a Secrets) -> Self {
        Self {
            from,
            secrets,
            line: Vec::new(),
            tail: String::new(),
            is_open: true,
        }
    }

    /// Hears what comes within `timeout`. Answers whether anything came.
    fn hear(&mut self, timeout: Duration, log: &mut JobLog<impl Write>) -> io::Result<bool> {
        if !self.is_open {
            // It ends soon: it has closed what it says things on.
            std::thread::sleep(timeout.min(ENDING_TICK));
            return Ok(false);
        }
        if !is_readable(&self.from, timeout)? {
            return Ok(false);
        }
        let mut bytes = [0; 16 * 1024];
        let count = self.from.read(&mut bytes)?;
        if count == 0 {
            self.is_open = false;
            return Ok(false);
        }
        let bytes = bytes.get(..count).unwrap_or_default();
        for part in bytes.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") || part.ends_with(b"\r") || self.line.len() > TAIL_BYTES {
                self.pass_on(log);
            }
        }
        Ok(true)
    }

    fn pass_on(&mut self, log: &mut JobLog<impl Write>) {
        let line = String::from_utf8_lossy(&self.line);
        let line = self.secrets.taken_out(&line);
        self.line.clear();
        log.pass(line.as_bytes());
        self.tail.push_str(&line);
        if self.tail.len() > 2 * TAIL_BYTES {
            let cut = self.tail.len() - TAIL_BYTES;
            self.tail.drain(..self.tail.ceil_char_boundary(cut));
        }
    }

    fn end(&mut self, log: &mut JobLog<impl Write>) {
        if !self.line.is_empty() {
            self.line.push(b'\n');
            self.pass_on(log);
        }
    }
}

fn is_readable(from: &PipeReader, timeout: Duration) -> io::Result<bool> {
    let timeout = Timespec {
        tv_sec: timeout.as_secs().cast_signed(),
        tv_nsec: timeout.subsec_nanos().into(),
    };
    let mut looked = [PollFd::from_borrowed_fd(from.as_fd(), PollFlags::IN)];
    match poll(&mut looked, Some(&timeout)) {
        Ok(count) => Ok(count > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
