//! `POST /results/{run_id}/cases`: adds a batch to a run that goes on.

use axum::extract::{Request, State};
use axum::response::Response;
use chrono::Utc;
use shared::error::Problem;
use shared::stream::{NewBatch, Streaming};

use super::open_run;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::intake;
use crate::http::path::RunId;

/// Adds a batch of cases to a run that goes on
///
/// Batches are numbered from 1 without gaps, each with an id made once. The answer comes when the
/// batch is durable; the same batch may be sent again. A batch without cases only says that the
/// worker lives. A run that was lost goes on with any of them.
#[utoipa::path(
    post,
    path = "/results/{run_id}/cases",
    operation_id = "append_cases",
    tag = "report",
    security(("bearer" = ["report"])),
    params(("run_id" = String, Path, description = "The worker's id of the run")),
    request_body = NewBatch,
    responses(
        (status = 201, description = "Kept", body = Streaming),
        (status = 200, description = "It was there already, or had no cases", body = Streaming),
        (status = 400, description = "Not JSON, or not packed as it says", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Nobody opened a run with this id", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not arrive in time", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The run is stored whole (`run_finished`), the number belongs to another batch (`batch_conflict`) or is not the next (`batch_gap`)", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body, or all batches of the run together, are too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Wrong Content-Type or Content-Encoding", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "JSON, but a field breaks a rule; `field` names it", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too busy, or the database is away: try again", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    RunId(run_id): RunId,
    request: Request,
) -> Result<Response, ApiError> {
    let received = intake::receive(request, &app.budget, app.timeouts).await?;
    let intake::Decoded::<NewBatch> { body: batch, room } =
        intake::decode(received, &app.budget, 0).await?;
    let to = run_id.clone();
    let appending = async move { app.ingest.append(&to, batch, Utc::now()).await };
    let streamed = intake::to_the_end(room, appending).await?;
    Ok(open_run::answer(run_id, streamed))
}
