//! `POST /jobs/{job}/rerun`: queues a job once more.

use axum::extract::{Request, State};
use axum::response::Response;
use shared::error::Problem;
use shared::job::{Job, Rerun};
use shared::limits::JOB_BODY_BYTES_MAX;

use super::{created, location};
use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::ApiError;
use crate::http::intake;
use crate::http::path::JobName;
use crate::http::problems::{JsonProblems, NotFound};

/// Queues a job once more: all of it, or only the tests that did not pass
///
/// The body may be left out. What the job was made of is what it is made of again: the same files of the
/// library, the same archive; a branch is fetched as it is then.
#[utoipa::path(
    post,
    path = "/jobs/{job}/rerun",
    operation_id = "rerun_job",
    tag = "jobs",
    security(("bearer" = ["run"])),
    params(("job" = String, Path, description = "Its id or its UUID")),
    request_body = Option<Rerun>,
    responses(
        (status = 201, description = "The new job", body = Job,
            headers(("location" = String, description = "Where the new job is"))),
        NotFound,
        (status = 409, description = "There is nothing to repeat (`job_state`)", body = Problem, content_type = "application/problem+json"),
        JsonProblems,
        (status = 503, description = "Too many jobs wait (`queue_full`), too busy, or the database is away: try again", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asking: Asking,
    name: JobName,
    request: Request,
) -> Result<Response, ApiError> {
    let read = intake::json_or_default(request, &app.budget, app.timeouts, JOB_BODY_BYTES_MAX);
    let Rerun { failed_only } = read.await?;
    let job = super::seen(&app, &asking, &name).await?;
    let by = &asking.0.name;
    let job = app.jobs.rerun(job.id, failed_only, by).await?;
    Ok(created(&job, &location(&job)))
}
