//! `GET /jobs`: which jobs are there?

use axum::extract::State;
use axum::http::{Uri, header};
use axum::response::Response;
use shared::job::{Job, JobKind, JobState};
use shared::limits::{JOBS_LIMIT_DEFAULT, JOBS_LIMIT_MAX};
use shared::query::JobsQuery;

use crate::http::answer::Known;
use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::cursor::List;
use crate::http::error::ApiError;
use crate::http::parameters::Parameters;
use crate::http::problems::BadParameter;
use crate::jobs::JobsFilter;

/// Lists jobs, the last to be created first
///
/// When there are more, `Link: <...>; rel="next"` leads on: also when fewer than `limit` are listed because
/// what they ask for is long (16 MiB together). Transitions, attempts and what a job waits for
/// are in `GET /jobs/{job}` only.
#[utoipa::path(
    get,
    path = "/jobs",
    operation_id = "list_jobs",
    tag = "jobs",
    security(("bearer" = ["read"])),
    params(JobsQuery),
    responses(
        (status = 200, description = "Jobs", body = Vec<Job>,
            headers(("link" = String, description = "`rel=\"next\"` when there are more"))),
        (status = 304, description = "As the client has it"),
        BadParameter,
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asking: Asking,
    parameters: Parameters,
    known: Known,
    uri: Uri,
) -> Result<Response, ApiError> {
    let limit = parameters.limit(JOBS_LIMIT_DEFAULT, JOBS_LIMIT_MAX)?;
    let filter = filter(&parameters, &asking, limit)?;
    let (jobs, more) = app.jobs.some(&filter).await?;
    let mut response = known.answer(&jobs)?;
    let last = jobs.last().map(|job| job.id.unsigned_abs());
    if let Some(link) = last
        .filter(|_| more)
        .and_then(|last| List::Jobs.link(&uri, last))
    {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

fn filter(parameters: &Parameters, asking: &Asking, limit: u32) -> Result<JobsFilter, ApiError> {
    let states = JobState::ALL.map(JobState::as_str).join(", ");
    Ok(JobsFilter {
        project: asking.project(parameters.name("project")?)?,
        state: parameters.parsed("state", &format!("one of {states}"), JobState::parse)?,
        username: parameters.name("username")?,
        environment: parameters.name("environment")?,
        kind: parameters.parsed("kind", "one of job, suite, testrun", kind)?,
        agent: parameters.name("agent")?,
        rerun_of: parameters.parsed("rerun_of", "the id of a job", |text| text.parse().ok())?,
        before: List::Jobs.position(parameters)?.map(u64::cast_signed),
        limit,
    })
}

fn kind(word: &str) -> Option<JobKind> {
    match word {
        "job" => Some(JobKind::Job),
        "suite" => Some(JobKind::Suite),
        "testrun" => Some(JobKind::Testrun),
        _ => None,
    }
}
