//! `POST /api/v1/logout`: the end of a login.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use shared::error::Problem;

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::gate::presented;

/// Logs out
///
/// Ends the login that the access token of this request came from, its refresh tokens included.
#[utoipa::path(
    post,
    path = "/api/v1/logout",
    operation_id = "logout",
    tag = "access",
    security(("bearer" = [])),
    responses(
        (status = 204, description = "Good-bye"),
        (status = 401, description = "The request has no access token", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "What it has is a token, and no login (`no_login`)", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The database is away: try again", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    app.access.logout(presented(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
