//! Errors of jobs, environments and attempts.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};

use super::{ApiError, RETRY_AFTER};
use crate::jobs::JobsError;

/// The length of a log so far: in the answer with a log, and with the refusal of a piece that leaves a gap.
pub(in crate::http) const LOG_BYTES: HeaderName = HeaderName::from_static("x-log-bytes");

impl ApiError {
    /// 404: no such job.
    pub(in crate::http) fn job_not_found(name: &str) -> Self {
        let detail = format!("there is no job `{name}`");
        Self::new(StatusCode::NOT_FOUND, "job_not_found", detail)
    }

    /// 404: no such environment.
    pub(in crate::http) fn environment_not_found(name: &str) -> Self {
        let detail = format!("there is no environment `{name}`; GET /environments lists them");
        Self::new(StatusCode::NOT_FOUND, "environment_not_found", detail)
    }

    /// 403: a web page of another origin wants to change something.
    pub(in crate::http) fn page_of_other_origin(origin: &str) -> Self {
        let detail = format!(
            "a page of `{}` may change nothing here; --cors-origin names the pages that may",
            origin.escape_debug()
        );
        Self::new(StatusCode::FORBIDDEN, "other_origin", detail)
    }
}

impl From<JobsError> for ApiError {
    fn from(error: JobsError) -> Self {
        let told = error.to_string();
        let conflict = |code| Self::new(StatusCode::CONFLICT, code, told.clone());
        match error {
            JobsError::Invalid(invalid) => invalid.into(),
            JobsError::NotFound(_) => Self::new(StatusCode::NOT_FOUND, "job_not_found", told),
            JobsError::NoAttempt(_) => Self::new(StatusCode::NOT_FOUND, "attempt_not_found", told),
            JobsError::NoEnvironment(_) => {
                Self::new(StatusCode::NOT_FOUND, "environment_not_found", told)
            }
            JobsError::EnvironmentInUse { .. } | JobsError::EnvironmentOfContract(_) => {
                conflict("environment_in_use")
            }
            JobsError::Conflict(_) | JobsError::UsedUp(_) => conflict("job_conflict"),
            JobsError::WrongState(_) => conflict("job_state"),
            JobsError::LeaseLost => conflict("lease_lost"),
            JobsError::LogGap { bytes } => {
                conflict("log_gap").with_header(LOG_BYTES, HeaderValue::from(bytes))
            }
            JobsError::QueueFull(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "queue_full", told)
                    .with_header(header::RETRY_AFTER, RETRY_AFTER)
            }
            JobsError::Busy => Self::busy(told),
            JobsError::Store(error) => error.into(),
        }
    }
}
