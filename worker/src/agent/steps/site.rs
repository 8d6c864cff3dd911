//! Where a job is carried out: its folder, and its log.

use std::io::Write;
use std::path::{Path, PathBuf};

/// The folders of one job. All of them are removed when it is over, but for the cache.
#[derive(Debug, Clone)]
pub struct Site {
    folder: PathBuf,
    cache: PathBuf,
}

impl Site {
    /// In an empty folder that belongs to the job alone, with a cache that all jobs of the agent share.
    pub fn new(folder: impl Into<PathBuf>, cache: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            cache: cache.into(),
        }
    }

    /// Everything of the job is below it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The code, and the tests with it unless they come from elsewhere.
    pub fn source(&self) -> PathBuf {
        self.folder.join("source")
    }

    /// The tests, when they come from a repository of their own. pytest runs here then.
    pub fn tests(&self) -> PathBuf {
        self.folder.join("tests")
    }

    /// The virtual environment.
    pub fn environment(&self) -> PathBuf {
        self.folder.join("environment")
    }

    /// Where reports go that a job would have written anywhere.
    pub fn reports(&self) -> PathBuf {
        self.folder.join("reports")
    }

    /// `HOME` of everything that runs for the job.
    pub fn home(&self) -> PathBuf {
        self.folder.join("home")
    }

    /// `TMPDIR` of everything that runs for the job.
    pub fn temporary(&self) -> PathBuf {
        self.folder.join("tmp")
    }

    /// What one job may leave for the next: downloaded packages, tools of the agent.
    pub fn cache(&self) -> &Path {
        &self.cache
    }
}

/// The log of a job. Whatever the steps start writes to the process's own standard output and error, which
/// are the log as well.
#[derive(Debug)]
pub struct JobLog<W> {
    to: W,
}

impl<W: Write> JobLog<W> {
    /// Writes to `to`.
    pub const fn new(to: W) -> Self {
        Self { to }
    }

    /// Adds a line of the agent's own, marked as such. A log that cannot be written stops nothing.
    pub fn say(&mut self, line: &str) {
        let _ = writeln!(self.to, "== {line}").and_then(|()| self.to.flush());
    }

    /// Adds what a program said, as it is. Colours are the reader's affair.
    pub(super) fn pass(&mut self, bytes: &[u8]) {
        let _ = self.to.write_all(bytes).and_then(|()| self.to.flush());
    }
}
