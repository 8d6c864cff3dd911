//! `GET /test_status/{test_id}`: how far is a suite?

use axum::extract::State;
use axum::response::Response;
use shared::job::JobKind;
use shared::suite::Suite;

use crate::http::answer::Known;
use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::endpoints::jobs::seen_of;
use crate::http::error::ApiError;
use crate::http::path::JobName;
use crate::http::problems::NotFound;

/// One suite
#[utoipa::path(
    get,
    path = "/test_status/{test_id}",
    operation_id = "get_suite",
    tag = "suites",
    security(("bearer" = ["read"])),
    params(("test_id" = String, Path, description = "The suite's `id`")),
    responses(
        (status = 200, description = "The suite", body = Suite),
        (status = 304, description = "As the client has it"),
        NotFound,
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asking: Asking,
    name: JobName,
    known: Known,
) -> Result<Response, ApiError> {
    let job = seen_of(&app, &asking, &name, JobKind::Suite).await?;
    known.answer(&super::shown(&app, &[job]).await?.pop())
}
