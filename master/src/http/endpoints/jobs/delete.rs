//! `DELETE /jobs/{job}`: forgets a job that is over.

use axum::extract::State;
use axum::http::StatusCode;
use shared::error::Problem;

use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::ApiError;
use crate::http::path::JobName;
use crate::http::problems::{NotFound, Unavailable};

/// Deletes a job that is over, with its log and its history
///
/// Its runs stay.
#[utoipa::path(
    delete,
    path = "/jobs/{job}",
    operation_id = "delete_job",
    tag = "jobs",
    security(("bearer" = ["run"])),
    params(("job" = String, Path, description = "Its id or its UUID")),
    responses(
        (status = 204, description = "It is gone"),
        NotFound,
        (status = 409, description = "It is not over (`job_state`): cancel it first", body = Problem, content_type = "application/problem+json"),
        Unavailable,
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asking: Asking,
    name: JobName,
) -> Result<StatusCode, ApiError> {
    let job = super::seen(&app, &asking, &name).await?;
    app.jobs.delete(job.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
