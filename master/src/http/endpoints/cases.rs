//! `GET /results/{run_id}/cases`: what became of the tests of one run?

use axum::extract::State;
use axum::http::{Uri, header};
use axum::response::Response;
use shared::case::Case;
use shared::error::Problem;
use shared::limits::{CASES_LIMIT_DEFAULT, CASES_LIMIT_MAX, QUERY_TEXT_BYTES_MAX};
use shared::outcome::Outcome;
use shared::query::CasesQuery;

use crate::http::answer::Known;
use crate::http::app::App;
use crate::http::cursor::List;
use crate::http::error::ApiError;
use crate::http::parameters::Parameters;
use crate::http::path::RunId;
use crate::queries::cases::{self, CasesFilter, CasesSort};

/// Lists the cases of a run, in the stored order of the tests or the slowest first
///
/// When there are more, `Link: <...>; rel="next"` leads on. A run that goes on lists what was
/// reported so far, in the order in which it was.
#[utoipa::path(
    get,
    path = "/results/{run_id}/cases",
    operation_id = "list_cases",
    tag = "read",
    security(("bearer" = ["read"])),
    params(("run_id" = String, Path, description = "The worker's id of the run"), CasesQuery),
    responses(
        (status = 200, description = "Cases", body = Vec<Case>,
            headers(("link" = String, description = "`rel=\"next\"` when there are more"))),
        (status = 304, description = "As the client has it"),
        (status = 404, description = "There is no such run", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter breaks a rule; `field` names it", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    RunId(run_id): RunId,
    parameters: Parameters,
    known: Known,
    uri: Uri,
) -> Result<Response, ApiError> {
    let sort = sort(&parameters)?;
    // A cursor belongs to its order: in another one it would repeat and skip cases.
    let paging = match sort {
        CasesSort::Stored => List::Cases,
        CasesSort::Slowest => List::SlowestCases,
    };
    let filter = CasesFilter {
        outcome: outcome(&parameters)?,
        q: parameters.text("q", QUERY_TEXT_BYTES_MAX)?,
        sort,
        after: paging.position(&parameters)?,
        limit: parameters.limit(CASES_LIMIT_DEFAULT, CASES_LIMIT_MAX)?,
    };
    let page = cases::list(&app.store, &run_id, &filter).await?;
    let page = page.ok_or_else(|| ApiError::run_not_found(&run_id))?;
    if page.is_order_gone {
        let detail = "cursor: the run ended meanwhile, and its cases are in another order now; \
                      begin with the first page";
        return Err(ApiError::invalid_parameter("cursor", detail));
    }
    let mut response = known.answer(&page.cases)?;
    if let Some(link) = page.next.and_then(|next| paging.link(&uri, next)) {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

fn sort(parameters: &Parameters) -> Result<CasesSort, ApiError> {
    let words = CasesSort::ALL.map(|(word, _)| word).join(" or ");
    let sort = parameters.parsed("sort", &words, |text| {
        let found = CasesSort::ALL.into_iter().find(|(word, _)| *word == text);
        found.map(|(_, sort)| sort)
    })?;
    Ok(sort.unwrap_or_default())
}

fn outcome(parameters: &Parameters) -> Result<Option<Outcome>, ApiError> {
    let words = Outcome::ALL.map(Outcome::as_str).join(", ");
    parameters.parsed("outcome", &format!("one of {words}"), |text| {
        Outcome::ALL
            .into_iter()
            .find(|outcome| outcome.as_str() == text)
    })
}
