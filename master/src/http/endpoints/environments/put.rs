//! `PUT /environments/{name}`: makes or changes an environment.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use shared::environment::{Environment, NewEnvironment};
use shared::limits::JOB_BODY_BYTES_MAX;

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::intake;
use crate::http::path::EnvironmentName;
use crate::http::problems::{JsonProblems, Unavailable};

/// Makes or changes an environment
///
/// A smaller capacity ends no job: those that hold the environment keep it, and the next waits.
#[utoipa::path(
    put,
    path = "/environments/{name}",
    operation_id = "put_environment",
    tag = "jobs",
    security(("bearer" = ["admin"])),
    params(("name" = String, Path, description = "Its name")),
    request_body = NewEnvironment,
    responses(
        (status = 201, description = "Made", body = Environment),
        (status = 200, description = "Changed", body = Environment),
        JsonProblems,
        Unavailable,
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    EnvironmentName(name): EnvironmentName,
    request: Request,
) -> Result<Response, ApiError> {
    let read = intake::json(request, &app.budget, app.timeouts, JOB_BODY_BYTES_MAX);
    let new: NewEnvironment = read.await?;
    let (environment, is_new) = app.jobs.put_environment(&name, new).await?;
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(environment)).into_response())
}
