//! What was sent, and what of it was acknowledged: written down before and after every request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use shared::outcome::Outcome;

/// The project of every suite.
pub(crate) const PROJECT: &str = "chaos";

/// What a test is expected to have become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expected {
    /// pytest's id of the test.
    pub(crate) nodeid: String,
    /// The only right outcome.
    pub(crate) outcome: Outcome,
    /// A text that the message has to contain.
    pub(crate) token: Option<String>,
}

/// One run, as whoever sent it knows it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entry {
    /// Who sent it.
    pub(crate) worker_id: String,
    /// What it belongs to.
    pub(crate) project: String,
    /// Everything that the run amounts to, in the order in which it is sent.
    pub(crate) intended: Vec<Expected>,
    /// Whether the run itself was acknowledged, however little of it.
    pub(crate) opened: bool,
    /// How many of `intended`, from the first, were acknowledged.
    pub(crate) acknowledged: usize,
    /// Whether the whole run was acknowledged.
    pub(crate) saved: bool,
}

impl Entry {
    /// A run of a suite, reported by the worker of this name.
    pub(crate) fn of_suite(worker_id: &str, expected: &[Expected]) -> Self {
        Self {
            worker_id: worker_id.to_owned(),
            project: PROJECT.to_owned(),
            intended: expected.to_vec(),
            ..Self::default()
        }
    }
}

/// All runs of one fault by their ids.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    entries: BTreeMap<String, Entry>,
    /// Runs of which something was acknowledged since somebody asked for news.
    changed: BTreeSet<String>,
}

impl Book {
    /// A book that begins with these.
    pub(crate) fn with(entries: BTreeMap<String, Entry>) -> Self {
        let book = Self::default();
        book.lock().entries = entries;
        book
    }

    /// Writes down a run that is about to be sent.
    pub(crate) fn intend(&self, run_id: &str, entry: Entry) {
        self.lock().entries.insert(run_id.to_owned(), entry);
    }

    /// Writes down that the run was opened.
    pub(crate) fn opened(&self, run_id: &str) {
        self.change(run_id, |entry| entry.opened = true);
    }

    /// Writes down that the first so many cases are kept.
    pub(crate) fn acknowledged(&self, run_id: &str, cases: usize) {
        self.change(run_id, |entry| {
            entry.opened = true;
            entry.acknowledged = entry.acknowledged.max(cases);
        });
    }

    /// Writes down that the whole run is kept.
    pub(crate) fn saved(&self, run_id: &str) {
        self.change(run_id, |entry| {
            entry.opened = true;
            entry.saved = true;
            entry.acknowledged = entry.intended.len();
        });
    }

    /// What stands in the book now. What is true of it stays true: acknowledgements only grow.
    pub(crate) fn copy(&self) -> BTreeMap<String, Entry> {
        self.lock().entries.clone()
    }

    /// As [`Book::copy`], only what changed since the last time.
    pub(crate) fn news(&self) -> BTreeMap<String, Entry> {
        let mut pages = self.lock();
        let changed = std::mem::take(&mut pages.changed);
        let entry = |run_id: String| {
            let entry = pages.entries.get(&run_id)?.clone();
            Some((run_id, entry))
        };
        changed.into_iter().filter_map(entry).collect()
    }

    fn change(&self, run_id: &str, change: impl FnOnce(&mut Entry)) {
        let mut pages = self.lock();
        if let Some(entry) = pages.entries.get_mut(run_id) {
            change(entry);
            pages.changed.insert(run_id.to_owned());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
