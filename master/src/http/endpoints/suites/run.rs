//! `POST /run_suite`: clones, installs and tests a repository.

use axum::Json;
use axum::extract::{Request, State};
use shared::error::Problem;
use shared::job::JobKind;
use shared::limits::JOB_BODY_BYTES_MAX;
use shared::suite::{RunSuite, Suite};
use shared::validate::Invalid;

use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::endpoints::jobs::create;
use crate::http::error::ApiError;
use crate::http::intake;
use crate::http::problems::JsonProblems;

/// Clones, installs and tests a repository when its turn comes
///
/// Only one of these suites runs at any moment; the others wait in order. Only `repo_url` is required.
#[utoipa::path(
    post,
    path = "/run_suite",
    operation_id = "run_suite",
    tag = "suites",
    security(("bearer" = ["run"])),
    request_body = RunSuite,
    responses(
        (status = 200, description = "The suite, as it waits", body = Suite),
        JsonProblems,
        (status = 403, description = "The caller is bound to another project", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many jobs wait (`queue_full`), too busy, or the database is away: try again", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asking: Asking,
    request: Request,
) -> Result<Json<Suite>, ApiError> {
    let read = intake::json(request, &app.budget, app.timeouts, JOB_BODY_BYTES_MAX);
    let mut wanted: RunSuite = read.await?;
    if wanted.project.as_deref().is_none_or(str::is_empty) {
        wanted.project = asking.0.project().map(str::to_owned);
    }
    let new = wanted.to_job()?;
    let words = in_the_words_of_a_suite;
    let queued = create::queue(&app, &asking, new, JobKind::Suite, words).await?;
    Ok(Json(Suite::of(&queued.job, None)))
}

/// The field that the client sent, for the one of the job that it became.
fn in_the_words_of_a_suite(invalid: Invalid) -> Invalid {
    let field = match invalid.field.as_str() {
        "source.url" => "repo_url",
        "source.branch" => "branch",
        field if field.starts_with("tests") => "suite.name",
        field if field.starts_with("args") => "suite.params",
        field => field,
    };
    Invalid::new(field.to_owned(), invalid.reason)
}
