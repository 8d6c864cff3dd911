//! `GET /jobs/{job}`: what became of one job?

use axum::extract::State;
use axum::response::Response;
use shared::job::Job;

use crate::http::answer::Known;
use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::ApiError;
use crate::http::path::JobName;
use crate::http::problems::NotFound;

/// One job with all that happened to it, and with what it waits for
#[utoipa::path(
    get,
    path = "/jobs/{job}",
    operation_id = "get_job",
    tag = "jobs",
    security(("bearer" = ["read"])),
    params(("job" = String, Path, description = "Its id or its UUID")),
    responses(
        (status = 200, description = "The job", body = Job),
        (status = 304, description = "As the client has it"),
        NotFound,
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asking: Asking,
    name: JobName,
    known: Known,
) -> Result<Response, ApiError> {
    known.answer(&super::seen(&app, &asking, &name).await?)
}
