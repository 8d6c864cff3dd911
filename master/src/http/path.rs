//! The run id in a path.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

use super::error::ApiError;

/// `{run_id}` of the path, decoded.
#[derive(Debug, Clone)]
pub(super) struct RunId(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for RunId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(run_id) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| {
                ApiError::malformed(
                    "invalid_path",
                    "the run id in the path is not percent-encoded UTF-8",
                )
            })?;
        // No run can have such an id, and a database may choke on it.
        let impossible =
            run_id.len() > shared::limits::RUN_ID_BYTES_MAX || run_id.chars().any(char::is_control);
        if impossible {
            return Err(ApiError::run_not_found(&run_id.escape_debug().to_string()));
        }
        Ok(Self(run_id))
    }
}
