//! Errors of the test library and of archives.

use std::sync::Arc;

use axum::http::{StatusCode, header};

use super::{ApiError, RETRY_AFTER};
use crate::library::LibraryError;

impl ApiError {
    /// 404: the job has no files that the master could hand out.
    pub(in crate::http) fn no_source(why: &str) -> Self {
        let detail = format!("the master has no files of this job: its source {why}");
        Self::new(StatusCode::NOT_FOUND, "no_source", detail)
    }
}

impl From<LibraryError> for ApiError {
    fn from(error: LibraryError) -> Self {
        let told = error.to_string();
        match error {
            LibraryError::Invalid(invalid) => invalid.into(),
            LibraryError::NotFound(_) => Self::new(StatusCode::NOT_FOUND, "file_not_found", told),
            LibraryError::NoLibrary => Self::new(StatusCode::CONFLICT, "no_library", told),
            LibraryError::Full(_) => Self::new(StatusCode::CONFLICT, "library_full", told),
            LibraryError::Busy(_) => Self::busy(told),
            LibraryError::FileSystem(_, cause) => {
                let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "library_unavailable", told)
                    .with_header(header::RETRY_AFTER, RETRY_AFTER);
                Self {
                    cause: Some(Arc::new(cause)),
                    ..error
                }
            }
            LibraryError::Store(error) => error.into(),
        }
    }
}
