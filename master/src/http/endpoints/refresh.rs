//! `POST /api/v1/auth/refresh`: a refresh token for other tokens.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::Response;
use shared::access::{LoggedIn, Refresh};
use shared::error::Problem;
use shared::limits::LOGIN_BODY_BYTES_MAX;

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::{answer, intake};

/// Renews a login
///
/// A refresh token can be used once. When it is used again, somebody else may have it: then all that
/// came of that login ends.
#[utoipa::path(
    post,
    path = "/api/v1/auth/refresh",
    operation_id = "refresh_login",
    tag = "access",
    security(()),
    request_body = Refresh,
    responses(
        (status = 200, description = "New tokens", body = LoggedIn),
        (status = 400, description = "Not JSON, or not packed as it says", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "The refresh token is of no use: log in again (`refresh_failed`)", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "JSON, but a field breaks a rule; `field` names it", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The database is away: try again", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    request: Request,
) -> Result<Response, ApiError> {
    let refresh: Refresh =
        intake::json(request, &app.budget, app.timeouts, LOGIN_BODY_BYTES_MAX).await?;
    let logged_in = app.access.refresh(&refresh.refresh_token).await?;
    Ok(answer::unkept(Json(logged_in)))
}
