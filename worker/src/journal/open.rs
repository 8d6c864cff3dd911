//! The journal of one run, while it goes on.

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::aggregate::Ending;
use crate::config::{Facts, Settings};

/// What is known of a run when it begins.
#[derive(Debug, Clone, Default)]
pub struct Beginning {
    /// The command line, where it is known: a sidecar learns it from the plugin.
    pub command: Option<String>,
    /// When pytest was started.
    pub started_at: Option<DateTime<Utc>>,
}

/// A handle that is cheap to clone; all clones are one journal. No call fails: a journal that
/// cannot be written says why in [`Journal::problem`], and the run goes on without it.
#[derive(Debug, Clone, Default)]
pub struct Journal;

impl Journal {
    /// Begins the journal of the run that these settings name.
    pub fn begin(_settings: &Settings, _beginning: Beginning) -> Self {
        Self
    }

    /// One that is written nowhere.
    pub fn none() -> Self {
        Self
    }

    /// Takes whole lines, newlines included, given in pieces. They are in the system's hands when
    /// this returns, and on disk within a second.
    pub fn append(&self, _pieces: &[&[u8]]) {}

    /// Takes what git and the CI system said.
    pub fn facts(&self, _facts: &Facts) {}

    /// Takes the end of the run, exactly as it is given to [`crate::aggregate::Run::finish`].
    pub fn end(&self, _ending: &Ending, _command: &str) {}

    /// The master has the run: the journal may be forgotten when room is needed.
    pub fn uploaded(&self) {}

    /// There is nothing to report, and so nothing to keep.
    pub fn discard(&self) {}

    /// What is wrong with the journal, in words for people, and what to do about it.
    pub fn problem(&self) -> Option<String> {
        None
    }

    /// The folder of the run.
    pub fn folder(&self) -> Option<&Path> {
        None
    }

    /// Waits until all is on disk, at most this long.
    pub fn close(&self, _longest: Duration) {}
}
