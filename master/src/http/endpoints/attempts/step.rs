//! `POST /jobs/{job}/attempts/{attempt}/steps`: how far an attempt is.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use shared::job::Step;
use shared::limits::JOB_BODY_BYTES_MAX;

use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::ApiError;
use crate::http::intake;
use crate::http::path::AttemptOf;
use crate::http::problems::{JsonProblems, LeaseLost, Unavailable};

/// Keeps how far a step of an attempt is
///
/// Sent when a step begins and when it ends; the later replaces the earlier.
#[utoipa::path(
    post,
    path = "/jobs/{job}/attempts/{attempt}/steps",
    operation_id = "save_step",
    tag = "agents",
    security(("bearer" = ["run"])),
    params(
        ("job" = i64, Path, description = "`job` of the lease"),
        ("attempt" = i64, Path, description = "`attempt` of the lease"),
    ),
    request_body = Step,
    responses(
        (status = 204, description = "Kept"),
        LeaseLost,
        JsonProblems,
        Unavailable,
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asking: Asking,
    of: AttemptOf,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let read = intake::json(request, &app.budget, app.timeouts, JOB_BODY_BYTES_MAX);
    let step: Step = read.await?;
    super::check(&app, &asking, of).await?;
    app.jobs.step(of.job, of.attempt, step).await?;
    Ok(StatusCode::NO_CONTENT)
}
