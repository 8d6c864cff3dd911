//! `POST /jobs/{job}/attempts/{attempt}/log`: the next piece of the job's log.

use axum::Json;
use axum::extract::{Request, State};
use shared::error::Problem;
use shared::lease::LogKept;
use shared::limits::LOG_PIECE_BYTES_MAX;
use shared::query::LogPieceQuery;

use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::ApiError;
use crate::http::intake;
use crate::http::parameters::Parameters;
use crate::http::path::AttemptOf;
use crate::http::problems::{BadParameter, Unavailable};

/// Keeps the next piece of an attempt's log
///
/// The body is the piece as it is, whatever its Content-Type, at most 1 MiB. The same piece may be sent
/// again. A log that is too long is cut, and says so; nothing is refused for that.
#[utoipa::path(
    post,
    path = "/jobs/{job}/attempts/{attempt}/log",
    operation_id = "append_job_log",
    tag = "agents",
    security(("bearer" = ["run"])),
    params(
        ("job" = i64, Path, description = "`job` of the lease"),
        ("attempt" = i64, Path, description = "`attempt` of the lease"),
        LogPieceQuery,
    ),
    request_body(content = String, content_type = "application/octet-stream"),
    responses(
        (status = 200, description = "Kept", body = LogKept),
        (status = 404, description = "There is no such job", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not arrive in time", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The attempt is over (`lease_lost`), or a piece before this one is missing (`log_gap`): `x-log-bytes` says where to go on", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The piece is too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The piece is packed", body = Problem, content_type = "application/problem+json"),
        BadParameter,
        Unavailable,
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asking: Asking,
    of: AttemptOf,
    parameters: Parameters,
    request: Request,
) -> Result<Json<LogKept>, ApiError> {
    let expected = "the number of bytes that were sent before";
    let offset = parameters.parsed("offset", expected, |text| text.parse().ok())?;
    let offset = offset.ok_or_else(|| {
        ApiError::invalid_parameter("offset", format!("offset: is missing; it is {expected}"))
    })?;
    let read = intake::receive_piece(request, &app.budget, app.timeouts, LOG_PIECE_BYTES_MAX);
    let piece = read.await?;
    super::check(&app, &asking, of).await?;
    let bytes = piece.bytes.clone();
    let kept = app.jobs.append_log(of.job, of.attempt, offset, bytes);
    Ok(Json(kept.await?))
}
