//! Fetch: the source of a job comes into its folder.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use shared::job::Source;

use super::options::StepOptions;
use super::{JobLog, Site, StepFailure};

/// What may be fetched, and how much of it.
#[derive(Debug, Clone)]
pub struct FetchRules {}

impl FetchRules {
    /// Out of the agent's flags.
    pub(super) fn of(_options: &StepOptions, _until: Option<Instant>) -> Result<Self, String> {
        Ok(Self {})
    }
}

/// What was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Where pytest runs, and what the job's `tests` are relative to: the source, or the tests'
    /// repository where they have one of their own.
    pub folder: PathBuf,
    /// What is run when the job names no tests: the library's files.
    pub default_tests: Vec<String>,
    /// Branch or tag of the code, if it is known.
    pub branch: Option<String>,
    /// Commit of the code, if it is known.
    pub commit: Option<String>,
}

/// Fetches `source` into the site. For an archive and the library, `download` writes the bytes of
/// `GET .../source` into a new file at the path it is given; what it failed with is for people. Returns an error whose text
/// can be shown to whoever made the job.
pub fn fetch(
    _source: &Source,
    _site: &Site,
    _rules: &FetchRules,
    _log: &mut JobLog<impl Write>,
    _download: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<Fetched, StepFailure> {
    Err(StepFailure::fetch("nothing can be fetched yet"))
}
