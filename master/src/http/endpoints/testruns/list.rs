//! `GET /api/testrun`: which testruns are there?

use axum::extract::State;
use axum::response::Response;
use shared::job::JobKind;
use shared::limits::{
    TESTRUN_LOG_CHARACTERS_LISTED, TESTRUNS_PER_PAGE_DEFAULT, TESTRUNS_PER_PAGE_MAX,
};
use shared::query::TestrunsQuery;
use shared::testrun::{Testrun, TestrunPage};

use super::{CHARACTER_BYTES_MAX, last_characters, log_end};
use crate::http::answer::Known;
use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::ApiError;
use crate::http::parameters::Parameters;
use crate::http::problems::BadParameter;
use crate::jobs::JobsFilter;

/// Last page that can be asked for.
const PAGE_MAX: u64 = 1_000_000;

/// A page of testruns, the last to be created first
///
/// A page behind the last one has no `objects`.
#[utoipa::path(
    get,
    path = "/api/testrun",
    operation_id = "list_testruns",
    tag = "testruns",
    security(("bearer" = ["read"])),
    params(TestrunsQuery),
    responses(
        (status = 200, description = "A page", body = TestrunPage),
        (status = 304, description = "As the client has it"),
        BadParameter,
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asking: Asking,
    parameters: Parameters,
    known: Known,
) -> Result<Response, ApiError> {
    let page = number(&parameters, "page", PAGE_MAX)?.unwrap_or(1);
    let per_page = number(&parameters, "results_per_page", TESTRUNS_PER_PAGE_MAX)?;
    let per_page = per_page.unwrap_or(TESTRUNS_PER_PAGE_DEFAULT);
    let filter = JobsFilter {
        project: asking.0.project().map(str::to_owned),
        kind: Some(JobKind::Testrun),
        ..JobsFilter::default()
    };
    let (jobs, num_results) = app.jobs.page(&filter, page, per_page).await?;
    let mut objects = Vec::with_capacity(jobs.len());
    for job in jobs {
        let bytes_max = TESTRUN_LOG_CHARACTERS_LISTED * CHARACTER_BYTES_MAX;
        let logs = log_end(&app, &job, bytes_max).await?;
        let logs = last_characters(logs, TESTRUN_LOG_CHARACTERS_LISTED);
        objects.push(Testrun::of(job, logs));
    }
    known.answer(&TestrunPage {
        num_results,
        objects,
        page,
        total_pages: num_results.div_ceil(per_page.into()),
    })
}

fn number<T>(parameters: &Parameters, name: &str, max: T) -> Result<Option<T>, ApiError>
where
    T: std::str::FromStr + PartialOrd + From<u8> + std::fmt::Display + Copy,
{
    let expected = format!("a whole number from 1 to {max}");
    let in_range = |number: &T| *number >= T::from(1) && *number <= max;
    let read = |text: &str| text.parse().ok().filter(in_range);
    parameters.parsed(name, &expected, read)
}
