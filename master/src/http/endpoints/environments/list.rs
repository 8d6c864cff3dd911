//! `GET /environments`: what can jobs share?

use axum::extract::State;
use axum::response::Response;
use shared::environment::Environment;

use crate::http::answer::Known;
use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::ApiError;

/// Every environment, who holds it and how many wait for it
#[utoipa::path(
    get,
    path = "/environments",
    operation_id = "list_environments",
    tag = "jobs",
    security(("bearer" = ["read"])),
    responses(
        (status = 200, description = "Environments, `2` before `10`", body = Vec<Environment>),
        (status = 304, description = "As the client has it"),
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asking: Asking,
    known: Known,
) -> Result<Response, ApiError> {
    known.answer(&app.jobs.environments(asking.0.project()).await?)
}
