//! `GET /workers`: who reports?

use axum::extract::State;
use axum::response::Response;
use shared::answer::WorkerSummary;

use crate::http::answer::Known;
use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::ApiError;
use crate::queries::workers;

/// Every worker, the last seen first
///
/// Who is bound to a project gets the workers that reported runs of it, counted over these.
#[utoipa::path(
    get,
    path = "/workers",
    operation_id = "list_workers",
    tag = "read",
    security(("bearer" = ["read"])),
    responses(
        (status = 200, description = "Workers", body = Vec<WorkerSummary>),
        (status = 304, description = "As the client has it"),
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asking: Asking,
    known: Known,
) -> Result<Response, ApiError> {
    known.answer(&workers::list(&app.store, asking.0.project()).await?)
}
