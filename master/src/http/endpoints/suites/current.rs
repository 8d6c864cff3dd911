//! `GET /current_test`: which suite runs now?

use axum::extract::State;
use axum::response::Response;
use shared::job::JobState;
use shared::suite::Suite;

use crate::http::answer::Known;
use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::ApiError;
use crate::jobs::JobsFilter;

/// The suite that runs now, or `null`
#[utoipa::path(
    get,
    path = "/current_test",
    operation_id = "get_current_suite",
    tag = "suites",
    security(("bearer" = ["read"])),
    responses(
        (status = 200, description = "The suite, or `null`", body = Option<Suite>),
        (status = 304, description = "As the client has it"),
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asking: Asking,
    known: Known,
) -> Result<Response, ApiError> {
    let filter = JobsFilter {
        state: Some(JobState::Running),
        limit: 1,
        ..super::filter(&asking)
    };
    let running = app.jobs.list(&filter).await?;
    known.answer(&super::shown(&app, &running).await?.pop())
}
