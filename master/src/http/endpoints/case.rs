//! `GET /results/{run_id}/case?nodeid=`: what exactly went wrong in one test?

use axum::extract::State;
use axum::response::Response;
use shared::case::Case;
use shared::error::Problem;
use shared::limits::NODEID_BYTES_MAX;
use shared::query::CaseQuery;

use crate::http::answer::Known;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::parameters::Parameters;
use crate::http::path::RunId;
use crate::queries::case::{self, FoundCase};

/// One case with all its failures, uncut
#[utoipa::path(
    get,
    path = "/results/{run_id}/case",
    operation_id = "get_case",
    tag = "read",
    security(("bearer" = ["read"])),
    params(("run_id" = String, Path, description = "The worker's id of the run"), CaseQuery),
    responses(
        (status = 200, description = "The case", body = Case),
        (status = 304, description = "As the client has it"),
        (status = 404, description = "There is no such run, or no such case in it", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter breaks a rule; `field` names it", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    RunId(run_id): RunId,
    parameters: Parameters,
    known: Known,
) -> Result<Response, ApiError> {
    let nodeid = parameters
        .text("nodeid", NODEID_BYTES_MAX)?
        .ok_or_else(|| {
            ApiError::invalid_parameter("nodeid", "nodeid: say which case, percent-encoded")
        })?;
    match case::get(&app.store, &run_id, &nodeid).await? {
        FoundCase::Found(case) => known.answer(&case),
        FoundCase::UnknownCase => Err(ApiError::case_not_found(&run_id, &nodeid)),
        FoundCase::UnknownRun => Err(ApiError::run_not_found(&run_id)),
    }
}
