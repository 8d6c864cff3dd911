//! `POST /jobs/{job}/attempts/{attempt}/heartbeat`: the agent lives and has the job.

use axum::Json;
use axum::extract::State;
use shared::lease::Heartbeat;

use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::ApiError;
use crate::http::path::AttemptOf;
use crate::http::problems::{LeaseLost, Unavailable};

/// Says that the agent lives and has the job
///
/// A few times within `lease_s`. An agent that is not answered with 200 for two thirds of that time, counted
/// from when it sent the last heartbeat that was, has to end everything that belongs to the job.
#[utoipa::path(
    post,
    path = "/jobs/{job}/attempts/{attempt}/heartbeat",
    operation_id = "send_heartbeat",
    tag = "agents",
    security(("bearer" = ["run"])),
    params(
        ("job" = i64, Path, description = "`job` of the lease"),
        ("attempt" = i64, Path, description = "`attempt` of the lease"),
    ),
    responses(
        (status = 200, description = "Heard; `cancel` says whether to end the job now", body = Heartbeat),
        LeaseLost,
        Unavailable,
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asking: Asking,
    of: AttemptOf,
) -> Result<Json<Heartbeat>, ApiError> {
    super::check(&app, &asking, of).await?;
    Ok(Json(app.jobs.heartbeat(of.job, of.attempt).await?))
}
