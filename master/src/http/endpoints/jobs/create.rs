//! `POST /jobs`: queues a job.

use axum::extract::{Request, State};
use axum::response::Response;
use shared::error::Problem;
use shared::job::{Job, JobKind, NewJob};
use shared::limits::JOB_BODY_BYTES_MAX;
use shared::validate::{self, Invalid};

use super::{answer, project_of_new};
use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::ApiError;
use crate::http::intake;
use crate::http::problems::JsonProblems;
use crate::jobs::{JobsError, Queued};
use crate::library::LibraryError;

/// Queues a job
///
/// Only `username` and `source` are required. Files of the library are taken as they are now; what
/// becomes of them later does not change the job. The answer comes when the job is durable. With a `uuid`
/// that the client made, the same may be sent again: it is the same job.
#[utoipa::path(
    post,
    path = "/jobs",
    operation_id = "create_job",
    tag = "jobs",
    security(("bearer" = ["run"])),
    request_body = NewJob,
    responses(
        (status = 201, description = "Queued", body = Job,
            headers(("location" = String, description = "Where the job is"))),
        (status = 200, description = "The same was sent with the same `uuid` before: the job as it is", body = Job,
            headers(("location" = String, description = "Where the job is"))),
        JsonProblems,
        (status = 403, description = "The caller is bound to another project", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The `uuid` belongs to another job (`job_conflict`), or the master has no test library", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many jobs wait (`queue_full`), too busy, or the database is away: try again", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asking: Asking,
    request: Request,
) -> Result<Response, ApiError> {
    let read = intake::json(request, &app.budget, app.timeouts, JOB_BODY_BYTES_MAX);
    let new: NewJob = read.await?;
    let queued = queue(&app, &asking, new, JobKind::Job, |invalid| invalid).await?;
    Ok(answer(&queued))
}

/// Queues a job of any kind. `words` names a field that breaks a rule as the client called it.
pub(in crate::http::endpoints) async fn queue(
    app: &App,
    asking: &Asking,
    mut new: NewJob,
    kind: JobKind,
    words: fn(Invalid) -> Invalid,
) -> Result<Queued, ApiError> {
    validate::job::trim(&mut new);
    new.project = project_of_new(asking, new.project)?;
    // Before the library is packed for a job that cannot be.
    validate::job::new_job(&new).map_err(words)?;
    if let Some(job) = app.jobs.made_before(&new, kind, None).await? {
        // Of what the library has by now, it is none of the business.
        return Ok(Queued { job, is_new: false });
    }
    match app.library.pin(&mut new.source).await {
        Ok(()) => {}
        Err(LibraryError::Invalid(invalid)) => return Err(words(invalid).into()),
        Err(error) => return Err(error.into()),
    }
    match app.jobs.queue(new, kind, None).await {
        Err(JobsError::Invalid(invalid)) => Err(words(invalid).into()),
        outcome => Ok(outcome?),
    }
}
