//! `GET /results`: which runs were there?

use axum::extract::State;
use axum::http::{Uri, header};
use axum::response::Response;
use shared::error::Problem;
use shared::limits::{RESULTS_LIMIT_DEFAULT, RESULTS_LIMIT_MAX};
use shared::query::RunsQuery;
use shared::run::RunSummary;
use shared::status::RunStatus;

use crate::http::answer::Known;
use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::cursor::List;
use crate::http::error::ApiError;
use crate::http::parameters::Parameters;
use crate::queries::runs::{self, RunsFilter};

/// Shortest prefix of a commit that is looked for.
const COMMIT_BYTES_MIN: usize = 7;

/// Lists runs, the last to arrive first
///
/// When there are more, `Link: <...>; rel="next"` leads on.
#[utoipa::path(
    get,
    path = "/results",
    operation_id = "list_runs",
    tag = "read",
    security(("bearer" = ["read"])),
    params(RunsQuery),
    responses(
        (status = 200, description = "Runs", body = Vec<RunSummary>,
            headers(("link" = String, description = "`rel=\"next\"` when there are more"))),
        (status = 304, description = "As the client has it"),
        (status = 403, description = "The token or account is bound to another project", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter breaks a rule; `field` names it", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asking: Asking,
    parameters: Parameters,
    known: Known,
    uri: Uri,
) -> Result<Response, ApiError> {
    let limit = parameters.limit(RESULTS_LIMIT_DEFAULT, RESULTS_LIMIT_MAX)?;
    let filter = filter(&asking, &parameters, limit + 1)?;
    let mut runs = runs::list(&app.store, &filter).await?;
    let more = runs.len() > limit as usize;
    runs.truncate(limit as usize);
    let mut response = known.answer(&runs)?;
    let last = runs.last().and_then(|run| u64::try_from(run.id).ok());
    if let Some(link) = last
        .filter(|_| more)
        .and_then(|last| List::Runs.link(&uri, last))
    {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

fn filter(asking: &Asking, parameters: &Parameters, limit: u32) -> Result<RunsFilter, ApiError> {
    Ok(RunsFilter {
        worker_id: parameters.name("worker_id")?,
        project: asking.project(parameters.name("project")?)?,
        branch: parameters.name("branch")?,
        commit: commit(parameters)?,
        status: status(parameters)?,
        since: parameters.moment("since")?,
        until: parameters.moment("until")?,
        before: List::Runs.position(parameters)?.map(u64::cast_signed),
        limit,
    })
}

fn status(parameters: &Parameters) -> Result<Option<RunStatus>, ApiError> {
    let words = RunStatus::ALL.map(RunStatus::as_str).join(", ");
    parameters.parsed("status", &format!("one of {words}"), |text| {
        text.parse().ok()
    })
}

fn commit(parameters: &Parameters) -> Result<Option<String>, ApiError> {
    let expected = format!("a commit or at least its first {COMMIT_BYTES_MIN} characters");
    let read = |text: &str| (text.len() >= COMMIT_BYTES_MIN).then(|| text.to_owned());
    parameters.parsed("commit", &expected, read)
}
