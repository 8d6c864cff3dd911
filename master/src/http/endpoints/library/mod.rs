//! The test library, and archives: what jobs are made of.

pub(in crate::http) mod archives;
pub(in crate::http) mod attempt_source;
pub(in crate::http) mod delete;
pub(in crate::http) mod get;
pub(in crate::http) mod list;
pub(in crate::http) mod put;
pub(in crate::http) mod upload;

use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;
use shared::library::Uploaded;

use crate::http::caller::Asking;
use crate::http::error::ApiError;

/// `{path}` of the path, decoded, and still as somebody wrote it.
#[derive(Debug, Clone)]
pub(in crate::http) struct FilePath(String);

impl<S: Send + Sync> FromRequestParts<S> for FilePath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let path = path.map_err(|_| {
            let detail = "the path of the file is not percent-encoded UTF-8";
            ApiError::malformed("invalid_path", detail)
        });
        path.map(|Path(path)| Self(path))
    }
}

/// The library belongs to all projects, and a file of it is run for whoever names it.
fn may_change(asking: &Asking) -> Result<(), ApiError> {
    asking.is_bound_to_no_project(
        "the library is shared by all projects, so that a token or account bound to one cannot change it",
    )
}

/// 201 when something is there that was not, else 200.
fn status(uploaded: &[Uploaded]) -> StatusCode {
    if uploaded.iter().any(|one| one.status == "created") {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    }
}
