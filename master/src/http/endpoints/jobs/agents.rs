//! `GET /agents`: who carries out jobs?

use axum::extract::State;
use axum::response::Response;
use shared::lease::Agent;

use crate::http::answer::Known;
use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::ApiError;

/// Every agent that was heard of late, by name
#[utoipa::path(
    get,
    path = "/agents",
    operation_id = "list_agents",
    tag = "jobs",
    security(("bearer" = ["read"])),
    responses(
        (status = 200, description = "Agents", body = Vec<Agent>),
        (status = 304, description = "As the client has it"),
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asking: Asking,
    known: Known,
) -> Result<Response, ApiError> {
    known.answer(&app.jobs.agents(asking.0.project()).await?)
}
