//! What became of one run.

use serde::{Deserialize, Serialize};

/// The verdict on a run. Only a complete run can be `passed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Everything that was collected was reported, and nothing was bad.
    Passed,
    /// At least one test failed or had an error.
    Failed,
    /// Collection failed, so that tests are missing.
    Error,
    /// Nothing was collected, or everything was deselected.
    NoTests,
    /// pytest refused its command line or configuration.
    UsageError,
    /// pytest, a plugin or a conftest raised outside of a test.
    InternalError,
    /// Stopped before its end, by a signal, by a person or by `pytest.exit`.
    Interrupted,
    /// Ended by the time limit of the run.
    Timeout,
    /// pytest ended without a goodbye.
    Crashed,
    /// The worker went silent.
    Lost,
    /// Still going on.
    Running,
}

impl RunStatus {
    /// Every status.
    pub const ALL: [Self; 11] = [
        Self::Passed,
        Self::Failed,
        Self::Error,
        Self::NoTests,
        Self::UsageError,
        Self::InternalError,
        Self::Interrupted,
        Self::Timeout,
        Self::Crashed,
        Self::Lost,
        Self::Running,
    ];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Error => "error",
            Self::NoTests => "no_tests",
            Self::UsageError => "usage_error",
            Self::InternalError => "internal_error",
            Self::Interrupted => "interrupted",
            Self::Timeout => "timeout",
            Self::Crashed => "crashed",
            Self::Lost => "lost",
            Self::Running => "running",
        }
    }
}

impl std::fmt::Display for RunStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is no status.
#[derive(Debug, thiserror::Error)]
#[error("unknown status `{0}`")]
pub struct UnknownStatus(String);

impl std::str::FromStr for RunStatus {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| UnknownStatus(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::RunStatus;

    #[test]
    fn every_status_is_read_back_from_its_word() {
        for status in RunStatus::ALL {
            assert_eq!(status.as_str().parse::<RunStatus>().unwrap(), status);
            assert_eq!(
                serde_json::to_string(&status).unwrap(),
                format!("\"{status}\"")
            );
        }
        assert!("green".parse::<RunStatus>().is_err());
    }
}
