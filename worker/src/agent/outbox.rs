//! What a job has to say to the master and has not yet: its log and its steps.
//!
//! The log goes to a file first, so that an agent whose master is away neither fills its memory nor holds
//! up the tests.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use shared::job::Step;
use shared::limits::{JOB_LOG_BYTES_MAX, LOG_PIECE_BYTES_MAX};

/// What says that more was written than is kept.
const CUT: &str = "\n== the log is too long: what follows is not kept\n";

/// Pieces of the log are sent at most so often,
const PACE: Duration = Duration::from_millis(200);

/// unless so much has come together.
const BIG_BYTES: u64 = 64 * 1024;

/// Bytes that are read at once.
const READ_BYTES: usize = 64 * 1024;

/// Something to be sent.
#[derive(Debug)]
pub enum Item {
    /// A step.
    Step(Step),
    /// A piece of the log, from this offset.
    Log(u64, Vec<u8>),
}

/// See the module.
#[derive(Debug)]
pub struct Outbox {
    state: Mutex<State>,
    news: Condvar,
    file: File,
    path: PathBuf,
}

#[derive(Debug, Default)]
struct State {
    steps: VecDeque<Step>,
    written: u64,
    sent: u64,
    sent_at: Option<Instant>,
    is_cut: bool,
    is_closed: bool,
    is_given_up: bool,
}

impl Outbox {
    /// With the log in a new file at `path`, removed when this is dropped.
    pub fn at(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(path)?;
        Ok(Self {
            state: Mutex::default(),
            news: Condvar::new(),
            file,
            path: path.to_owned(),
        })
    }

    /// Takes the log to its end.
    pub fn take_log(&self, mut from: impl Read) {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            match from.read(&mut buffer) {
                Ok(0) => return,
                Ok(count) => self.add_log(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    /// Takes a part of the log. Too much of it, and what the disk refuses, is dropped.
    pub fn add_log(&self, bytes: &[u8]) {
        let mut state = self.lock();
        if state.is_cut {
            return;
        }
        let room = JOB_LOG_BYTES_MAX - CUT.len() as u64 - state.written;
        let kept = &bytes[..bytes.len().min(room as usize)];
        let is_written = self.write(&mut state, kept);
        state.is_cut = !is_written || kept.len() < bytes.len();
        if state.is_cut {
            self.write(&mut state, CUT.as_bytes());
        }
        drop(state);
        self.news.notify_all();
    }

    fn write(&self, state: &mut State, bytes: &[u8]) -> bool {
        if self.file.write_all_at(bytes, state.written).is_err() {
            return false;
        }
        state.written += bytes.len() as u64;
        true
    }

    /// Takes a step.
    pub fn add_step(&self, step: Step) {
        self.lock().steps.push_back(step);
        self.news.notify_all();
    }

    /// Nothing more will come.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.news.notify_all();
    }

    /// Nothing more is to be sent.
    pub fn give_up(&self) {
        self.lock().is_given_up = true;
        self.news.notify_all();
    }

    /// Waits for something to be sent; nothing when there will be none.
    pub fn next(&self) -> Option<Item> {
        let mut state = self.lock();
        loop {
            if state.is_given_up {
                return None;
            }
            if let Some(step) = state.steps.front() {
                return Some(Item::Step(step.clone()));
            }
            let waiting = state.written - state.sent;
            let pause = match state.sent_at {
                Some(at) if waiting < BIG_BYTES && !state.is_closed => {
                    PACE.saturating_sub(at.elapsed())
                }
                _ => Duration::ZERO,
            };
            if waiting > 0 && pause.is_zero() {
                let from = state.sent;
                drop(state);
                return Some(Item::Log(from, self.piece(from, waiting)));
            }
            if waiting == 0 && state.is_closed {
                return None;
            }
            let longest = if waiting > 0 { pause } else { PACE * 5 };
            state = self.wait_on(state, longest);
        }
    }

    fn piece(&self, from: u64, waiting: u64) -> Vec<u8> {
        let mut piece = vec![0; (waiting as usize).min(LOG_PIECE_BYTES_MAX)];
        if self.file.read_exact_at(&mut piece, from).is_err() {
            // A disk that does not give back what it took: the rest keeps its place.
            piece.fill(b'?');
        }
        piece
    }

    /// The log has arrived up to here.
    pub fn log_arrived(&self, up_to: u64) {
        let mut state = self.lock();
        state.sent = up_to.min(state.written);
        state.sent_at = Some(Instant::now());
    }

    /// The log will not be taken any further.
    pub fn log_refused(&self) {
        let mut state = self.lock();
        state.sent = state.written;
        state.is_cut = true;
    }

    /// The first step has arrived, or never will.
    pub fn step_arrived(&self) {
        self.lock().steps.pop_front();
    }

    /// Waits before something is tried again, unless it is given up.
    pub fn pause(&self, longest: Duration) {
        let deadline = Instant::now() + longest;
        let mut state = self.lock();
        while !state.is_given_up {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.wait_on(state, left);
        }
    }

    fn wait_on<'a>(
        &self,
        state: MutexGuard<'a, State>,
        longest: Duration,
    ) -> MutexGuard<'a, State> {
        let waited = self.news.wait_timeout(state, longest);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        // One that stays goes when the next agent starts here.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox() -> (tempfile::TempDir, Outbox) {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::at(&folder.path().join("log")).unwrap();
        (folder, outbox)
    }

    #[test]
    fn the_log_comes_in_pieces_until_its_end_and_again_until_it_arrived() {
        let (folder, outbox) = outbox();
        outbox.add_log(b"one\n");
        for _ in 0..2 {
            let Some(Item::Log(0, piece)) = outbox.next() else {
                panic!("a piece was expected");
            };
            assert_eq!(piece, b"one\n");
        }
        outbox.log_arrived(4);
        outbox.add_log(b"two\n");
        outbox.close();
        let Some(Item::Log(4, piece)) = outbox.next() else {
            panic!("a piece was expected");
        };
        assert_eq!(piece, b"two\n");
        outbox.log_arrived(8);
        assert!(outbox.next().is_none());
        drop(outbox);
        assert!(!folder.path().join("log").exists());
    }

    #[test]
    fn small_pieces_keep_a_pace_and_big_ones_do_not() {
        let (_folder, outbox) = outbox();
        outbox.add_log(b"x");
        assert!(outbox.next().is_some());
        outbox.log_arrived(1);
        let begun = Instant::now();
        outbox.add_log(b"y");
        assert!(outbox.next().is_some());
        assert!(begun.elapsed() >= PACE / 2);
        outbox.log_arrived(2);
        let begun = Instant::now();
        outbox.add_log(&vec![b'z'; BIG_BYTES as usize]);
        assert!(outbox.next().is_some());
        assert!(begun.elapsed() < PACE);
    }

    #[test]
    fn a_log_that_is_too_long_is_cut_and_says_so() {
        let (_folder, outbox) = outbox();
        let piece = vec![b'x'; 8 * 1024 * 1024];
        for _ in 0..9 {
            outbox.add_log(&piece);
        }
        let written = outbox.lock().written;
        assert_eq!(written, JOB_LOG_BYTES_MAX);
        let end = outbox.piece(written - CUT.len() as u64, CUT.len() as u64);
        assert_eq!(end, CUT.as_bytes());
    }

    #[test]
    fn what_is_given_up_is_not_waited_for() {
        let (_folder, outbox) = outbox();
        outbox.add_log(b"x");
        outbox.give_up();
        assert!(outbox.next().is_none());
        outbox.pause(Duration::from_mins(1));
    }
}
