//! Errors on the wire: `application/problem+json` (RFC 9457).

use serde::{Deserialize, Serialize};

/// The media type of [`Problem`].
pub const PROBLEM_MEDIA_TYPE: &str = "application/problem+json";

/// What every error answer looks like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// The HTTP status, repeated.
    pub status: u16,
    /// A short title of the status, the same for every problem of one `code`.
    pub title: String,
    /// What was wrong with this request and what to do about it.
    pub detail: String,
    /// A stable word for programs, such as `invalid_field` or `run_not_found`.
    pub code: String,
    /// The field or parameter at fault, such as `cases[3].duration`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The id under which the master logged this request.
    #[serde(default)]
    pub request_id: String,
}
