//! Children that end with us: on return, on error and on Ctrl-C, each by its own process group.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::descendants;

/// How long a child may take to end by itself once it was asked to.
const GRACE: Duration = Duration::from_secs(5);
/// How often a waiting parent looks.
const POLL: Duration = Duration::from_millis(10);

/// Process groups under way, each with the signal that asks it to end.
static RUNNING: Mutex<Vec<(Pid, Signal)>> = Mutex::new(Vec::new());

/// Folders that go when a signal ends this process.
static FOLDERS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Whether a signal is ending this process.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

fn running() -> MutexGuard<'static, Vec<(Pid, Signal)>> {
    RUNNING
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A folder that is gone at the end: when this is dropped, and when a signal ends this process.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes an empty folder with a new name among the temporary files.
    pub fn make(prefix: &str) -> Result<Self> {
        let made = output(Command::new("mktemp").args([
            "--directory",
            "--tmpdir",
            &format!("{prefix}.XXXXXXXX"),
        ]))?;
        let path = PathBuf::from(made.trim());
        folders().push(path.clone());
        Ok(Self { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
        folders().retain(|path| *path != self.path);
    }
}

fn folders() -> MutexGuard<'static, Vec<PathBuf>> {
    FOLDERS
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// From now on Ctrl-C, SIGTERM and SIGHUP end every child before they end this process,
/// and remove what [`Folder`] made.
pub fn end_children_on_signals() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot watch for Ctrl-C")?;
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            if let Some(signal) = signals.forever().next() {
                INTERRUPTED.store(true, Ordering::Release);
                end_all();
                descendants::end_own();
                for folder in folders().iter() {
                    let _ = std::fs::remove_dir_all(folder);
                }
                // The shell's convention: 128 and the number of the signal.
                std::process::exit(128 + signal);
            }
        })
        .context("cannot start the thread that watches for Ctrl-C")?;
    Ok(())
}

/// After a signal: waits for the end that the thread of the signals brings, so that what its killing
/// of children looks like to this thread is not reported as an error.
pub fn give_way_to_signals() {
    while INTERRUPTED.load(Ordering::Acquire) {
        std::thread::park();
    }
}

fn end_all() {
    // Kept locked to the end, so that no child starts meanwhile.
    let children = running();
    for &(group, polite) in children.iter() {
        let _ = kill_process_group(group, polite);
    }
    let deadline = Instant::now() + GRACE;
    while Instant::now() < deadline && children.iter().any(|&(group, _)| leader_runs(group)) {
        std::thread::sleep(POLL);
    }
    for &(group, _) in children.iter() {
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// Whether the first process of a group has not ended; one that has stays to be waited for.
fn leader_runs(group: Pid) -> bool {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    matches!(waitid(WaitId::Pid(group), look), Ok(None))
}

/// A child process that is ended when this is dropped.
#[derive(Debug)]
pub struct Guarded {
    child: Child,
    group: Pid,
    polite: Signal,
    ended: bool,
}

impl Guarded {
    /// Starts a child at the head of a process group of its own, without standard input.
    pub fn start(command: &mut Command) -> Result<Self> {
        Self::start_with(command.stdin(Stdio::null()), Signal::TERM)
    }

    /// As [`Guarded::start`], with standard input as the caller set it, and ended by this signal.
    pub fn start_with(command: &mut Command, polite: Signal) -> Result<Self> {
        let mut registry = running();
        if INTERRUPTED.load(Ordering::Acquire) {
            bail!("interrupted");
        }
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        let group = Pid::from_child(&child);
        registry.push((group, polite));
        Ok(Self {
            child,
            group,
            polite,
            ended: false,
        })
    }

    /// The child, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// The child's process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the child ends by itself.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        let status = self.child.wait().context("cannot wait for a child")?;
        self.forget();
        Ok(status)
    }

    /// Waits at most so long; `None` when it still runs.
    pub fn wait_at_most(&mut self, time: Duration) -> Result<Option<ExitStatus>> {
        let deadline = Instant::now() + time;
        loop {
            if let Some(status) = self.child.try_wait().context("cannot wait for a child")? {
                self.forget();
                return Ok(Some(status));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            std::thread::sleep(POLL);
        }
    }

    /// Asks the child to end, and makes it when it does not.
    pub fn end(&mut self) -> Result<ExitStatus> {
        let _ = kill_process_group(self.group, self.polite);
        if let Some(status) = self.wait_at_most(GRACE)? {
            return Ok(status);
        }
        let _ = kill_process_group(self.group, Signal::KILL);
        self.wait()
    }

    /// Ends the child and its group at once, without asking.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        let _ = kill_process_group(self.group, Signal::KILL);
        self.wait()
    }

    fn forget(&mut self) {
        // Whatever the child left behind in its group goes too.
        let _ = kill_process_group(self.group, Signal::KILL);
        self.ended = true;
        running().retain(|&(group, _)| group != self.group);
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if !self.ended {
            let _ = self.end();
        }
    }
}

/// Runs a command to its end; its output passes through.
pub fn succeed(command: &mut Command) -> Result<()> {
    let status = Guarded::start(command)?.wait()?;
    if !status.success() {
        bail!("`{}` ended with {status}", shown(command));
    }
    Ok(())
}

/// Runs a command to its end and answers with its standard output.
pub fn output(command: &mut Command) -> Result<String> {
    let mut child = Guarded::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let errors = child.child().stderr.take().map(collect);
    let text = child.child().stdout.take().map(collect);
    let status = child.wait()?;
    let text = text.map(joined).unwrap_or_default();
    if !status.success() {
        let errors = errors.map(joined).unwrap_or_default();
        let both = format!("{text}\n{errors}");
        bail!("`{}` ended with {status}\n{}", shown(command), both.trim());
    }
    Ok(text)
}

/// Runs a command to its end, giving each line of its output and errors to a listener.
pub fn lines(command: &mut Command, mut listen: impl FnMut(&str)) -> Result<ExitStatus> {
    let (reader, writer) = std::io::pipe().context("cannot make a pipe")?;
    let errors = writer.try_clone().context("cannot make a pipe")?;
    let mut child = Guarded::start(command.stdout(writer).stderr(errors))?;
    // The command keeps our ends of the pipe; without this the reader would never see its end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut reader = BufReader::new(reader);
    let mut bytes = Vec::new();
    while reader
        .read_until(b'\n', &mut bytes)
        .context("cannot read from a child")?
        > 0
    {
        listen(String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']));
        bytes.clear();
    }
    child.wait()
}

fn collect(mut from: impl std::io::Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn joined(thread: JoinHandle<String>) -> String {
    thread.join().unwrap_or_default()
}

fn shown(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_child_takes_its_own_children_along() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "sleep 100 & echo $!; wait"]);
        let mut child = Guarded::start(shell.stdout(Stdio::piped())).unwrap();
        let group = child.group;
        let mut line = String::new();
        let output = child.child().stdout.take().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        drop(child);
        let deadline = Instant::now() + GRACE;
        while rustix::process::test_kill_process_group(group).is_ok() {
            assert!(Instant::now() < deadline, "the grandchild {line} lives");
            std::thread::sleep(POLL);
        }
    }

    #[test]
    fn output_and_errors_arrive_line_by_line() {
        let mut seen = Vec::new();
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo one; echo two >&2; printf three; exit 3"]);
        let status = lines(&mut shell, |line| seen.push(line.to_owned())).unwrap();
        assert_eq!(seen, ["one", "two", "three"]);
        assert_eq!(status.code(), Some(3));
    }

    #[test]
    fn a_failing_command_is_reported_with_what_it_said() {
        let error = output(Command::new("sh").args(["-c", "echo why >&2; exit 1"])).unwrap_err();
        assert!(error.to_string().contains("why"), "{error}");
    }
}
