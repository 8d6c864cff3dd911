//! `GET /api/testrun/{id}`: what became of one testrun?

use axum::extract::State;
use axum::response::Response;
use shared::job::JobKind;
use shared::limits::TESTRUN_LOG_BYTES_MAX;
use shared::testrun::Testrun;

use crate::http::answer::Known;
use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::endpoints::jobs::seen_of;
use crate::http::error::ApiError;
use crate::http::path::JobName;
use crate::http::problems::NotFound;

/// One testrun with its logs
#[utoipa::path(
    get,
    path = "/api/testrun/{id}",
    operation_id = "get_testrun",
    tag = "testruns",
    security(("bearer" = ["read"])),
    params(("id" = i64, Path, description = "The testrun's `id`")),
    responses(
        (status = 200, description = "The testrun", body = Testrun),
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
    let job = seen_of(&app, &asking, &name, JobKind::Testrun).await?;
    let logs = super::log_end(&app, &job, TESTRUN_LOG_BYTES_MAX).await?;
    known.answer(&Testrun::of(job, logs))
}
