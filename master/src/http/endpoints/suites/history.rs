//! `GET /test_history`: which suites were there?

use axum::extract::State;
use axum::http::{Uri, header};
use axum::response::Response;
use shared::limits::SUITES_LIMIT_MAX;
use shared::query::SuitesQuery;
use shared::suite::Suite;

use crate::http::answer::Known;
use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::cursor::List;
use crate::http::error::ApiError;
use crate::http::parameters::Parameters;
use crate::http::problems::BadParameter;
use crate::jobs::JobsFilter;

/// All suites, the last to be asked for first
///
/// When there are more, `Link: <...>; rel="next"` leads on.
#[utoipa::path(
    get,
    path = "/test_history",
    operation_id = "list_suites",
    tag = "suites",
    security(("bearer" = ["read"])),
    params(SuitesQuery),
    responses(
        (status = 200, description = "Suites", body = Vec<Suite>,
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
    let limit = parameters.limit(SUITES_LIMIT_MAX, SUITES_LIMIT_MAX)?;
    let mut filter = JobsFilter {
        before: List::Suites.position(&parameters)?.map(u64::cast_signed),
        limit,
        ..super::filter(&asking)
    };
    let mut suites = Vec::new();
    // What a suite asks for may be long and is not shown, so not all of it is read at a time.
    let more = loop {
        let (jobs, more) = app.jobs.some(&filter).await?;
        suites.extend(super::shown(&app, &jobs).await?);
        filter.before = jobs.last().map(|job| job.id).or(filter.before);
        filter.limit = limit - suites.len() as u32;
        if !more || filter.limit == 0 {
            break more;
        }
    };
    let mut response = known.answer(&suites)?;
    let last = filter.before.map(i64::unsigned_abs);
    if let Some(link) = last
        .filter(|_| more)
        .and_then(|last| List::Suites.link(&uri, last))
    {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}
