//! `PUT /results/{run_id}`: opens a run that will be reported while it goes on.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use shared::error::Problem;
use shared::run::NewRun;
use shared::status::RunStatus;
use shared::stream::Streaming;

use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::ApiError;
use crate::http::intake;
use crate::http::path::RunId;
use crate::ingest::{Saved, Streamed};

/// Opens a run that is reported while it goes on
///
/// The body is the run as far as it is known before its first test: no cases, no verdict. The same
/// opening may be sent again at any time before the finish; the answer says how many batches there
/// are.
#[utoipa::path(
    put,
    path = "/results/{run_id}",
    operation_id = "open_run",
    tag = "report",
    security(("bearer" = ["report"])),
    params(("run_id" = String, Path, description = "The worker's id of the run, as in the body")),
    request_body = NewRun,
    responses(
        (status = 201, description = "Opened", body = Streaming),
        (status = 200, description = "It was open already", body = Streaming),
        (status = 400, description = "Not JSON, or not packed as it says", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The token or account is bound to another project", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not arrive in time", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The run id is taken (`run_conflict`), or the run is stored whole (`run_finished`)", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Wrong Content-Type or Content-Encoding", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "JSON, but a field breaks a rule; `field` names it", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too busy, or the database is away: try again", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asking: Asking,
    RunId(run_id): RunId,
    request: Request,
) -> Result<Response, ApiError> {
    let received = intake::receive(request, &app.budget, app.timeouts).await?;
    let intake::Decoded::<NewRun> { body: run, room } =
        intake::decode(received, &app.budget, 0).await?;
    refuse_other_id("run_id", &run_id, &run.run_id)?;
    asking.names("project", &run.project)?;
    let opening = async move { app.ingest.open(run, Utc::now()).await };
    let streamed = intake::to_the_end(room, opening).await?;
    Ok(answer(run_id, streamed))
}

/// The body names the run of the path.
pub(super) fn refuse_other_id(field: &str, path: &str, body: &str) -> Result<(), ApiError> {
    if path == body {
        return Ok(());
    }
    let detail = format!("{field}: must be the run id in the path");
    Err(ApiError::invalid_field(Some(field.to_owned()), detail))
}

/// The answer while a run goes on.
pub(super) fn answer(run_id: String, streamed: Streamed) -> Response {
    let status = match streamed.saved {
        Saved::Created => StatusCode::CREATED,
        Saved::Unchanged => StatusCode::OK,
    };
    let streaming = Streaming {
        run_id,
        status: RunStatus::Running.as_str().to_owned(),
        batches: streamed.batches,
    };
    (status, Json(streaming)).into_response()
}
