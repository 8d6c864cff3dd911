//! `POST /jobs/{job}/rerun`: queues a job once more.

use axum::extract::{Request, State};
use axum::response::Response;
use shared::error::Problem;
use shared::job::{Job, Rerun};
use shared::limits::JOB_BODY_BYTES_MAX;

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
        (status = 200, description = "The same was sent with the same `uuid` before: the job as it is", body = Job,
            headers(("location" = String, description = "Where the job is"))),
        NotFound,
        (status = 409, description = "There is nothing to repeat (`job_state`), or the `uuid` belongs to another job (`job_conflict`)", body = Problem, content_type = "application/problem+json"),
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
    let rerun: Rerun = read.await?;
    let job = super::seen(&app, &asking, &name).await?;
    let by = &asking.0.name;
    Ok(super::answer(&app.jobs.rerun(job.id, rerun, by).await?))
}
