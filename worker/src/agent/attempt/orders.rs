//! What the process of an attempt is told at its beginning, and what it reports.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use shared::job::Step;
use shared::lease::FinishAttempt;

use super::work::{Reporting, Work, Workshop};

/// The beginning.
#[derive(Debug, Serialize, Deserialize)]
pub struct Orders {
    /// What is to be carried out.
    pub work: Work,
    /// Where, and by which rules.
    pub workshop: Workshop,
    /// Where the run is reported, if anywhere.
    pub reporting: Option<Reporting>,
    /// The lease, where a master gave one: the source may be had there.
    pub lease: Option<Leased>,
    /// Where the run is left for whoever ordered it.
    pub keep_run: Option<PathBuf>,
    /// Until when the lease holds at least, as a moment's number.
    pub until: u64,
}

/// Whose lease it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leased {
    /// The job.
    pub job: i64,
    /// The attempt.
    pub attempt: i64,
}

/// A line of what an attempt reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// A step began or ended.
    Step(Step),
    /// It heard that it may go on until this moment's number.
    Heard(u64),
    /// It is over.
    Ended(FinishAttempt),
}

impl Workshop {
    /// Where folders of attempts are.
    pub fn jobs(&self) -> PathBuf {
        self.folder.join("jobs")
    }

    /// The folder of one.
    pub(super) fn job(&self, work: &Work) -> PathBuf {
        self.jobs().join(&work.name)
    }

    /// What one job may leave for the next.
    pub fn cache(&self) -> PathBuf {
        self.folder.join("cache")
    }
}

/// The file beside a folder that tells a living attempt from one that was killed.
pub(super) fn lock_of(folder: &Path) -> PathBuf {
    folder.with_extension("lock")
}
