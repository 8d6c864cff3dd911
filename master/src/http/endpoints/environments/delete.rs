//! `DELETE /environments/{name}`: forgets an environment.

use axum::extract::State;
use axum::http::StatusCode;
use shared::error::Problem;

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::path::EnvironmentName;
use crate::http::problems::{NotFound, Unavailable};

/// Deletes an environment that no job needs any more
#[utoipa::path(
    delete,
    path = "/environments/{name}",
    operation_id = "delete_environment",
    tag = "jobs",
    security(("bearer" = ["admin"])),
    params(("name" = String, Path, description = "Its name")),
    responses(
        (status = 204, description = "It is gone"),
        NotFound,
        (status = 409, description = "A job that is not over needs it, or `POST /run_suite` (`environment_in_use`)", body = Problem, content_type = "application/problem+json"),
        Unavailable,
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    EnvironmentName(name): EnvironmentName,
) -> Result<StatusCode, ApiError> {
    app.jobs.delete_environment(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}
