//! `POST /jobs/{job}/cancel`: asks for the end of a job.

use axum::Json;
use axum::extract::State;
use shared::error::Problem;
use shared::job::Job;

use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::ApiError;
use crate::http::path::JobName;
use crate::http::problems::{NotFound, Unavailable};

/// Asks for the end of a job
///
/// One that waits is cancelled at once. One that runs has `cancel_requested` until its agent has ended
/// it, which takes a few seconds, or until the agent turns out to be lost. The same may be asked again.
#[utoipa::path(
    post,
    path = "/jobs/{job}/cancel",
    operation_id = "cancel_job",
    tag = "jobs",
    security(("bearer" = ["run"])),
    params(("job" = String, Path, description = "Its id or its UUID")),
    responses(
        (status = 200, description = "The job as it is now", body = Job),
        NotFound,
        (status = 409, description = "It is over already (`job_state`)", body = Problem, content_type = "application/problem+json"),
        Unavailable,
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asking: Asking,
    name: JobName,
) -> Result<Json<Job>, ApiError> {
    let job = super::seen(&app, &asking, &name).await?;
    Ok(Json(app.jobs.cancel(job.id, &asking.0.name).await?))
}
