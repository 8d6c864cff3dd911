//! `GET /results/{run_id}`: what did one run say?

use axum::extract::State;
use axum::response::Response;
use shared::error::Problem;
use shared::run::Run;

use crate::http::answer::Known;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::path::RunId;
use crate::queries::runs;

/// One run with its failures
#[utoipa::path(
    get,
    path = "/results/{run_id}",
    operation_id = "get_run",
    tag = "read",
    security(("bearer" = ["read"])),
    params(("run_id" = String, Path, description = "The worker's id of the run")),
    responses(
        (status = 200, description = "The run", body = Run),
        (status = 304, description = "As the client has it"),
        (status = 404, description = "There is no such run", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    RunId(run_id): RunId,
    known: Known,
) -> Result<Response, ApiError> {
    match runs::get(&app.store, &run_id).await? {
        Some(run) => known.answer(&run),
        None => Err(ApiError::run_not_found(&run_id)),
    }
}
