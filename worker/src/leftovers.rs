//! What earlier runs left is taken along by the next, in a thread of its own beside the tests.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use crate::client::Client;
use crate::config::Settings;
use crate::journal::{self, Kept};
use crate::late::{self, LateError};

/// Most runs that one run takes along.
const RUNS_MAX: usize = 100;

/// Most bytes of journals that one run takes along; a single larger one goes alone.
const BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Longest wait for one of them.
const SEND_MAX: Duration = Duration::from_secs(10);

/// Wait after a failure, while the tests go on.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// How much lower the priority is of a thread that nobody waits for.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// What became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Earlier {
    /// Runs that arrived.
    pub uploaded: usize,
    /// Runs that the master refused for good.
    pub refused: usize,
}

/// The thread.
#[derive(Debug)]
pub struct Leftovers {
    /// How long it may still go on; told once.
    ending: Sender<Duration>,
    done: Receiver<()>,
    earlier: Arc<Mutex<Earlier>>,
    thread: JoinHandle<()>,
}

struct Round {
    client: Client,
    ending: Receiver<Duration>,
    deadline: Option<Instant>,
    earlier: Arc<Mutex<Earlier>>,
}

impl Leftovers {
    /// Starts to look for runs that no master has, other than the one in folder `own`.
    pub fn start(settings: &Settings, own: Option<&Path>) -> Self {
        let (ending, told) = bounded(1);
        let (tell, done) = bounded(1);
        let earlier = Arc::new(Mutex::new(Earlier::default()));
        let (settings, own) = (settings.clone(), own.map(PathBuf::from));
        let shared = Arc::clone(&earlier);
        let thread = std::thread::spawn(move || {
            make_way();
            let left = waiting(&settings, own.as_deref());
            let token = settings.token.map(|token| token.value);
            // An address that is none is told by the run's own upload.
            if !left.is_empty()
                && let Ok(client) = Client::new(&settings.master_url.value, token)
            {
                let mut round = Round {
                    client,
                    ending: told,
                    deadline: None,
                    earlier: shared,
                };
                for kept in left {
                    if !round.take(&kept) {
                        break;
                    }
                }
            }
            // Whoever waited may have gone.
            let _ = tell.send(());
        });
        Self {
            ending,
            done,
            earlier,
            thread,
        }
    }

    /// Gives it this much more time, and answers what it did.
    pub fn finish(self, longest: Duration) -> Earlier {
        // It is full never, and closed when the thread has nothing more to do.
        let _ = self.ending.send(longest);
        if self.done.recv_timeout(longest) != Err(RecvTimeoutError::Timeout) {
            // A panic there has lost nothing: the runs are still where they were.
            let _ = self.thread.join();
        }
        *locked(&self.earlier)
    }
}

fn locked(earlier: &Mutex<Earlier>) -> MutexGuard<'_, Earlier> {
    earlier.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The journals that wait for a master, the oldest first, as many as one run takes along.
fn waiting(settings: &Settings, own: Option<&Path>) -> Vec<Kept> {
    let mut bytes = 0;
    let mut places = journal::places(settings);
    // The temporary folder is only for those who have no other.
    let chosen = settings.state_dir.as_ref().map(|folder| &folder.value);
    places.retain(|place| Some(place) == chosen || own.is_some_and(|own| own.starts_with(place)));
    Kept::all(&places)
        .into_iter()
        .filter(|kept| kept.fate.is_none() && Some(kept.folder.as_path()) != own)
        .filter(|kept| late::check_destination(kept, &settings.master_url.value).is_ok())
        .take(RUNS_MAX)
        .take_while(|kept| {
            let is_first = bytes == 0;
            bytes += kept.bytes;
            is_first || bytes <= BYTES_MAX
        })
        .collect()
}

impl Round {
    /// Sends one, however often that takes. Answers whether there is time for another.
    fn take(&mut self, kept: &Kept) -> bool {
        let Ok(claimed) = kept.claim() else {
            return true;
        };
        loop {
            self.hear(Duration::ZERO);
            let Some(time) = self.time() else {
                return false;
            };
            match late::send(&self.client, &claimed, time.min(SEND_MAX)) {
                Ok(_) => locked(&self.earlier).uploaded += 1,
                Err(LateError::Refused(_) | LateError::Damaged(_)) => {
                    locked(&self.earlier).refused += 1;
                }
                Err(LateError::Empty) => {
                    // What cannot be deleted is found again.
                    let _ = claimed.drop_it();
                    return true;
                }
                Err(LateError::Unreadable(_) | LateError::Elsewhere(_)) => {}
                Err(LateError::Send(_)) => {
                    if !self.hear(RETRY_AFTER) {
                        return false;
                    }
                    continue;
                }
            }
            return true;
        }
    }

    /// Waits for word of the run's end, at most this long. Answers false when no more time is left
    /// to try again in.
    fn hear(&mut self, longest: Duration) -> bool {
        if self.deadline.is_some() {
            // It was tried within the time that there is; nothing better will come of it.
            return false;
        }
        match self.ending.recv_timeout(longest) {
            Ok(more) => self.deadline = Some(Instant::now() + more),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => self.deadline = Some(Instant::now()),
        }
        true
    }

    fn time(&self) -> Option<Duration> {
        let Some(deadline) = self.deadline else {
            return Some(SEND_MAX);
        };
        let left = deadline.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }
}

/// Lets the tests go first.
#[cfg(target_os = "linux")]
fn make_way() {
    // Linux gives each thread a priority of its own. Without it there is only less courtesy.
    let _ = rustix::process::setpriority_process(None, NICENESS);
}

/// Elsewhere the call is about the whole process.
#[cfg(not(target_os = "linux"))]
fn make_way() {}
