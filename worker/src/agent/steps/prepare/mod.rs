//! Prepare: what the tests need is installed into an environment of their own.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use super::options::StepOptions;
use super::{Fetched, JobLog, Sandbox, Site, StepFailure};

/// How environments are made.
#[derive(Debug, Clone)]
pub struct PrepareRules {}

impl PrepareRules {
    /// Out of the agent's flags.
    pub(super) fn of(
        _options: &StepOptions,
        _python: PathBuf,
        _sandbox: Option<Sandbox>,
        _until: Option<Instant>,
    ) -> Self {
        Self {}
    }
}

/// An environment in which the tests can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// What `--python` of `run` gets. In a sandbox it is a program that enters it first.
    pub python: PathBuf,
    /// All variables of the tests' environment but those of the job's own `env`, which come on top of
    /// them.
    pub variables: Vec<(OsString, OsString)>,
}

/// Makes the environment. Returns an error whose text can be shown to whoever made the job.
pub fn prepare(
    _site: &Site,
    _fetched: &Fetched,
    _rules: &PrepareRules,
    _log: &mut JobLog<impl Write>,
) -> Result<Prepared, StepFailure> {
    Err(StepFailure::install("nothing can be prepared yet"))
}
