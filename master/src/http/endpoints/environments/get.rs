//! `GET /environments/{name}`: who uses one environment?

use axum::extract::State;
use axum::response::Response;
use shared::environment::Environment;

use crate::http::answer::Known;
use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::ApiError;
use crate::http::path::EnvironmentName;
use crate::http::problems::NotFound;

/// One environment
#[utoipa::path(
    get,
    path = "/environments/{name}",
    operation_id = "get_environment",
    tag = "jobs",
    security(("bearer" = ["read"])),
    params(("name" = String, Path, description = "Its name")),
    responses(
        (status = 200, description = "The environment", body = Environment),
        (status = 304, description = "As the client has it"),
        NotFound,
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asking: Asking,
    EnvironmentName(name): EnvironmentName,
    known: Known,
) -> Result<Response, ApiError> {
    let found = app.jobs.environment(&name, asking.0.project());
    known.answer(&found.await?)
}
