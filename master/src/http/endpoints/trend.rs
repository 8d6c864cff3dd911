//! `GET /trend`: how did the last runs go?

use axum::extract::State;
use axum::response::Response;
use shared::answer::TrendPoint;
use shared::error::Problem;
use shared::limits::{TREND_LIMIT_DEFAULT, TREND_LIMIT_MAX};
use shared::query::TrendQuery;

use crate::http::answer::Known;
use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::ApiError;
use crate::http::parameters::Parameters;
use crate::queries::trend::{self, TrendFilter};

/// The last runs to arrive, oldest first
#[utoipa::path(
    get,
    path = "/trend",
    operation_id = "get_trend",
    tag = "read",
    security(("bearer" = ["read"])),
    params(TrendQuery),
    responses(
        (status = 200, description = "One point a run", body = Vec<TrendPoint>),
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
    let filter = TrendFilter {
        project: asking.project(parameters.name("project")?)?,
        branch: parameters.name("branch")?,
        worker_id: parameters.name("worker_id")?,
        limit: parameters.limit(TREND_LIMIT_DEFAULT, TREND_LIMIT_MAX)?,
    };
    known.answer(&trend::last(&app.store, &filter).await?)
}
