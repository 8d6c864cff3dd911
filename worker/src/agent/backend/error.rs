//! Why a request to a task backend did not succeed.

use std::error::Error;
use std::time::Duration;

/// Longest wait that a backend may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(5);

/// Why a request did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BackendError {
    /// Nobody was reached, or the connection broke, or there was no answer in time.
    #[error("{0}")]
    Away(String),
    /// It refused or failed.
    #[error("it answered {status}: {text}")]
    Answered {
        /// The HTTP status.
        status: u16,
        /// The beginning of what it said.
        text: String,
        /// How long it asked us to wait.
        retry_after: Option<Duration>,
    },
    /// The account is refused.
    #[error("it refuses the account ({0}); check --login and --password or BACKEND_PASSWORD")]
    Refused(String),
    /// The answer is none of the contract.
    #[error("its answer was not understood: {0}")]
    NotUnderstood(String),
    /// The agent stops, and did not wait for the answer.
    #[error("the agent stops")]
    Stopped,
}

impl BackendError {
    /// Of a request that was not answered.
    pub(super) fn of(error: &reqwest::Error, timeout: Duration) -> Self {
        if error.is_timeout() {
            return Self::Away(format!("no answer within {} s", timeout.as_secs()));
        }
        let mut bottom: &dyn Error = error;
        while let Some(source) = bottom.source() {
            bottom = source;
        }
        Self::Away(bottom.to_string())
    }

    /// Whether this very result will never be taken.
    pub(super) const fn is_final(&self) -> bool {
        match self {
            Self::Answered { status, .. } => {
                matches!(*status, 300..=499) && !matches!(*status, 401 | 403 | 408 | 425 | 429)
            }
            _ => false,
        }
    }

    /// Whether another request would fail in the same way.
    pub(super) const fn is_about_all(&self) -> bool {
        match self {
            Self::Away(_) | Self::Refused(_) | Self::Stopped => true,
            Self::Answered { status, .. } => matches!(*status, 401 | 403 | 429 | 503),
            Self::NotUnderstood(_) => false,
        }
    }

    /// How long the backend asked us to wait, within reason.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Answered { retry_after, .. } => retry_after.map(|wait| wait.min(RETRY_AFTER_MAX)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_of_the_result_itself_is_final() {
        let answered = |status| BackendError::Answered {
            status,
            text: String::new(),
            retry_after: Some(Duration::from_hours(2)),
        };
        for status in [302, 400, 404, 409, 413, 422] {
            assert!(answered(status).is_final(), "{status}");
        }
        for status in [401, 403, 408, 429, 500, 502, 503] {
            assert!(!answered(status).is_final(), "{status}");
        }
        assert!(!BackendError::Away(String::new()).is_final());
        assert_eq!(answered(429).retry_after(), Some(RETRY_AFTER_MAX));
    }
}
