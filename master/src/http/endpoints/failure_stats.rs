//! `GET /failures/stats`: which tests fail most often?

use axum::extract::State;
use axum::response::Response;
use shared::answer::FailureStat;
use shared::error::Problem;
use shared::limits::{FAILURE_STATS_LIMIT_DEFAULT, FAILURE_STATS_LIMIT_MAX};
use shared::query::FailureStatsQuery;

use crate::http::answer::Known;
use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::ApiError;
use crate::http::parameters::Parameters;
use crate::queries::failure_stats;

/// The tests that failed in most runs
#[utoipa::path(
    get,
    path = "/failures/stats",
    operation_id = "get_failure_stats",
    tag = "read",
    security(("bearer" = ["read"])),
    params(FailureStatsQuery),
    responses(
        (status = 200, description = "Tests, most failures first", body = Vec<FailureStat>),
        (status = 304, description = "As the client has it"),
        (status = 403, description = "The token or account is bound to another project", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter breaks a rule; `field` names it", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asking: Asking,
    parameters: Parameters,
    known: Known,
) -> Result<Response, ApiError> {
    let project = asking.project(parameters.name("project")?)?;
    let limit = parameters.limit(FAILURE_STATS_LIMIT_DEFAULT, FAILURE_STATS_LIMIT_MAX)?;
    known.answer(&failure_stats::top(&app.store, project.as_deref(), limit).await?)
}
