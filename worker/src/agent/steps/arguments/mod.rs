//! What pytest is started with: the tests and arguments that a job names, as far as they are allowed.

use std::ffi::OsString;

use super::{Fetched, Site, StepFailure};

/// Options of pytest that jobs may give.
#[derive(Debug, Clone, Default)]
pub struct AllowedArguments {}

impl AllowedArguments {
    /// The agent's own list and what its owner adds to it.
    pub(super) fn of(_further: &[String]) -> Result<Self, String> {
        Ok(Self {})
    }
}

/// What pytest gets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arguments {
    /// In order; options first, then the tests.
    pub words: Vec<OsString>,
    /// What was changed, in words for the job's log.
    pub notes: Vec<String>,
}

/// Checks the `tests` and `args` of a job. Reports that an option would write outside the job's folder
/// are written inside it. Returns an error that names the argument and the way out.
pub fn pytest_arguments(
    _tests: &[String],
    _args: &[String],
    _fetched: &Fetched,
    _site: &Site,
    _allowed: &AllowedArguments,
) -> Result<Arguments, StepFailure> {
    Err(StepFailure::subprocess("nothing is allowed yet"))
}
