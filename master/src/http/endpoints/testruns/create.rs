//! `POST /api/testrun`: files of the test library are to be run.

use axum::extract::{Request, State};
use axum::response::Response;
use shared::error::Problem;
use shared::job::JobKind;
use shared::limits::JOB_BODY_BYTES_MAX;
use shared::testrun::{NewTestrun, Testrun};
use shared::validate::Invalid;

use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::endpoints::jobs::{create, created};
use crate::http::error::ApiError;
use crate::http::intake;
use crate::http::problems::JsonProblems;

/// Queues files of the test library
///
/// Only `username` is required; without `test_files`, the whole library is run.
#[utoipa::path(
    post,
    path = "/api/testrun",
    operation_id = "create_testrun",
    tag = "testruns",
    security(("bearer" = ["run"])),
    request_body = NewTestrun,
    responses(
        (status = 201, description = "The testrun", body = Testrun,
            headers(("location" = String, description = "Where the testrun is"))),
        JsonProblems,
        (status = 403, description = "The caller is bound to another project", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The master has no test library", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many jobs wait (`queue_full`), too busy, or the database is away: try again", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asking: Asking,
    request: Request,
) -> Result<Response, ApiError> {
    let read = intake::json(request, &app.budget, app.timeouts, JOB_BODY_BYTES_MAX);
    let wanted: NewTestrun = read.await?;
    let (new, words) = (wanted.into_job(), in_the_words_of_a_testrun);
    let queued = create::queue(&app, &asking, new, JobKind::Testrun, words).await?;
    let job = queued.job;
    let location = format!("/api/testrun/{}", job.id);
    Ok(created(&Testrun::of(job, String::new()), &location))
}

/// The field that the client sent, for the one of the job that it became.
fn in_the_words_of_a_testrun(invalid: Invalid) -> Invalid {
    match invalid.field.strip_prefix("source.files") {
        Some(rest) => Invalid::new(format!("test_files{rest}"), invalid.reason),
        None => invalid,
    }
}
