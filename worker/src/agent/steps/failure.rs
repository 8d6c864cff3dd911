//! Why a step did not succeed.

use shared::job::JobErrorKind;

/// Why a step did not succeed: what the job's `error` will say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct StepFailure {
    /// For programs.
    pub kind: JobErrorKind,
    /// For people: what was tried, what came of it, and the way out.
    pub text: String,
}

impl StepFailure {
    /// The source could not be fetched.
    pub fn fetch(text: impl Into<String>) -> Self {
        Self::new(JobErrorKind::Git, text)
    }

    /// What the tests need could not be installed.
    pub fn install(text: impl Into<String>) -> Self {
        Self::new(JobErrorKind::Install, text)
    }

    /// pytest could not be run.
    pub fn subprocess(text: impl Into<String>) -> Self {
        Self::new(JobErrorKind::Subprocess, text)
    }

    fn new(kind: JobErrorKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
        }
    }
}
