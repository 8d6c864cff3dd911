//! `POST /api/v1/login`: a name and a password for a token.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use shared::access::{LoggedIn, Login};
use shared::error::Problem;
use shared::limits::LOGIN_BODY_BYTES_MAX;

use crate::http::address::ClientAddress;
use crate::http::app::App;
use crate::http::audit::About;
use crate::http::error::ApiError;
use crate::http::{answer, intake};

/// Logs in
///
/// The access token is for the `Authorization` header and lives for 15 minutes; the refresh token gives
/// new ones, once, for 30 days. After 10 failures of an account, or 30 from an address, within 5 minutes,
/// both have to wait.
#[utoipa::path(
    post,
    path = "/api/v1/login",
    operation_id = "login",
    tag = "access",
    security(()),
    request_body = Login,
    responses(
        (status = 200, description = "Welcome", body = LoggedIn),
        (status = 400, description = "Not JSON, or not packed as it says", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No account has this name and this password (`login_failed`)", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "JSON, but a field breaks a rule; `field` names it", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many failures: wait as long as `Retry-After` says", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many logins at a time, or the database is away: try again", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    address: ClientAddress,
    request: Request,
) -> Result<Response, ApiError> {
    let login: Login =
        intake::json(request, &app.budget, app.timeouts, LOGIN_BODY_BYTES_MAX).await?;
    let about = About(login.username.clone());
    let mut response = match app.access.login(login, address.0).await {
        Ok(logged_in) => answer::unkept(Json(logged_in)),
        Err(error) => ApiError::from(error).into_response(),
    };
    response.extensions_mut().insert(about);
    Ok(response)
}
