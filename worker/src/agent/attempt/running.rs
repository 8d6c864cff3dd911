//! An attempt's process, seen by the agent that started it.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use shared::lease::FinishAttempt;

use super::folder::{self, Occupied};
use super::orders::{Orders, Report};
use super::verdict;
use crate::agent::clock::Moment;
use crate::agent::lifeline::{self, Told};
use crate::agent::{message, program};
use crate::exit::Ended;
use crate::pytest::sweep;

/// Reports that may wait.
const REPORTS_MAX: usize = 64;

/// Longest report.
const REPORT_BYTES_MAX: u64 = 1024 * 1024;

/// A process whose time is over by all that it has heard ends itself; after so much longer it does not
/// answer any more.
const OVERDUE: Duration = Duration::from_secs(1);

/// A process that has said its last is given so long to end.
const LEAVING_MAX: Duration = Duration::from_secs(5);

/// Processes of attempts that live. What else came to the agent is of one that died.
static LIVING: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// See the module.
#[derive(Debug)]
pub struct Running {
    child: Child,
    process: Pid,
    lifeline: OwnedFd,
    reports: Receiver<Report>,
    /// The last moment until which it knows that it may go on.
    heard: Arc<AtomicU64>,
    /// It was ended because it did not answer.
    was_silent: AtomicBool,
    reader: JoinHandle<()>,
    log: Option<ChildStderr>,
    folder: PathBuf,
    occupied: Occupied,
}

impl Running {
    /// Starts the process in a folder of its own.
    pub fn start(orders: &Orders) -> io::Result<Self> {
        sweep::adopt_orphans();
        let folder = orders.workshop.job(&orders.work);
        let occupied = folder::make(&folder)?;
        let mut command = program::command()?;
        command
            .arg("attempt")
            .env_remove("MASTER_TOKEN")
            .env_remove("BACKEND_PASSWORD")
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let (mut child, process) = {
            let mut all = living();
            let child = command.spawn()?;
            let process = Pid::from_child(&child);
            all.insert(process.as_raw_pid());
            (child, process)
        };
        let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(mut stdin), Some(stdout), log) = streams else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        // One that could not be told anything ends by itself, and is noticed like any other.
        let _ = message::send(orders, &mut stdin);
        let lifeline = OwnedFd::from(stdin);
        lifeline::never_block(&lifeline)?;
        let (tell, reports) = bounded(REPORTS_MAX);
        let heard = Arc::new(AtomicU64::new(orders.until));
        let noted = Arc::clone(&heard);
        let reader = std::thread::spawn(move || read(stdout, &tell, &noted));
        Ok(Self {
            child,
            process,
            lifeline,
            reports,
            heard,
            was_silent: AtomicBool::new(false),
            reader,
            log,
            folder,
            occupied,
        })
    }

    /// What it reports; disconnected when it has nothing more to say.
    pub const fn reports(&self) -> &Receiver<Report> {
        &self.reports
    }

    /// The job's log, to be read to its end. It can be had once.
    pub const fn take_log(&mut self) -> Option<ChildStderr> {
        self.log.take()
    }

    /// Tells it something. One that has ended needs no words.
    pub fn tell(&self, told: Told) {
        let _ = lifeline::say(&self.lifeline, told);
    }

    /// Kills it if it does not answer any more: by all that it has heard its time is over, and it does
    /// not end. Its guard has ended the tests by then.
    pub fn end_if_silent(&self) {
        let heard = Moment::of_number(self.heard.load(Ordering::Relaxed));
        let is_silent = Moment::now() >= heard.plus(OVERDUE);
        if is_silent && !self.has_ended() && !self.was_silent.swap(true, Ordering::Relaxed) {
            self.kill();
        }
    }

    /// Whether it has ended and waits to be collected.
    fn has_ended(&self) -> bool {
        let ended = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        matches!(waitid(WaitId::Pid(self.process), ended), Ok(Some(_)))
    }

    /// Kills it and everything that it started. It stays to be finished.
    pub fn kill(&self) {
        sweep::kill_with_all(self.process);
    }

    /// Waits for its end, ends what it left behind and removes its folder. Answers what there is to say of
    /// one that did not report its end.
    pub fn finish(mut self) -> FinishAttempt {
        let ended = self.wait();
        {
            let mut all = living();
            all.remove(&self.process.as_raw_pid());
            sweep::end_adopted(&all);
        }
        // Its end closed what it reads.
        drop(self.reports);
        let _ = self.reader.join();
        // Whatever could not be removed is tried again when an agent starts here.
        let _ = folder::leave(&self.folder, self.occupied);
        if self.was_silent.into_inner() {
            return verdict::without_answer();
        }
        verdict::without_report(ended)
    }

    fn wait(&mut self) -> Option<Ended> {
        let deadline = Instant::now() + LEAVING_MAX;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(Ended::from(status)),
                Ok(None) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Ok(None) => {
                    sweep::kill_with_all(self.process);
                    return self.child.wait().ok().map(Ended::from);
                }
                Err(_) => return None,
            }
        }
    }
}

fn living() -> MutexGuard<'static, BTreeSet<i32>> {
    LIVING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read(from: ChildStdout, tell: &Sender<Report>, heard: &AtomicU64) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut limited = from.by_ref().take(REPORT_BYTES_MAX);
        if !matches!(limited.read_until(b'\n', &mut line), Ok(1..)) {
            return;
        }
        match serde_json::from_slice(&line) {
            Ok(Report::Heard(until)) => heard.store(until, Ordering::Relaxed),
            Ok(report) => {
                if tell.send(report).is_err() {
                    return;
                }
            }
            Err(_) => {}
        }
    }
}
