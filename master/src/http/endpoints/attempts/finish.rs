//! `POST /jobs/{job}/attempts/{attempt}/finish`: the end of an attempt.

use axum::Json;
use axum::extract::{Request, State};
use shared::job::Job;
use shared::lease::FinishAttempt;
use shared::limits::JOB_BODY_BYTES_MAX;

use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::ApiError;
use crate::http::intake;
use crate::http::path::AttemptOf;
use crate::http::problems::{JsonProblems, LeaseLost, Unavailable};

/// Ends an attempt
///
/// From then on the environment is free for the next job. The same may be sent again.
#[utoipa::path(
    post,
    path = "/jobs/{job}/attempts/{attempt}/finish",
    operation_id = "finish_attempt",
    tag = "agents",
    security(("bearer" = ["run"])),
    params(
        ("job" = i64, Path, description = "`job` of the lease"),
        ("attempt" = i64, Path, description = "`attempt` of the lease"),
    ),
    request_body = FinishAttempt,
    responses(
        (status = 200, description = "The job as it is now", body = Job),
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
) -> Result<Json<Job>, ApiError> {
    let read = intake::json(request, &app.budget, app.timeouts, JOB_BODY_BYTES_MAX);
    let finish: FinishAttempt = read.await?;
    super::check(&app, &asking, of).await?;
    Ok(Json(app.jobs.finish(of.job, of.attempt, finish).await?))
}
