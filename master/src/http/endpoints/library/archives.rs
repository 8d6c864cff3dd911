//! `POST /archives`: an archive that jobs can be made of.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use shared::library::Archived;
use shared::limits::ARCHIVE_BYTES_MAX;

use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::ApiError;
use crate::http::intake;
use crate::http::problems::{JsonProblems, Unavailable};

/// Keeps an archive that jobs can be made of
///
/// The body is a zip, tar.gz or tar.zst as it is, whatever its Content-Type, at most 64 MiB; its first bytes say
/// which. The answer's `archive` goes into a job's `source`. The same archive has the same name. One that no job
/// names is forgotten after a day.
#[utoipa::path(
    post,
    path = "/archives",
    operation_id = "upload_archive",
    tag = "library",
    security(("bearer" = ["run"])),
    request_body(content = String, content_type = "application/octet-stream"),
    responses(
        (status = 201, description = "Kept", body = Archived),
        JsonProblems,
        Unavailable,
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    _: Asking,
    request: Request,
) -> Result<(StatusCode, Json<Archived>), ApiError> {
    let body = intake::receive_piece(request, &app.budget, app.timeouts, ARCHIVE_BYTES_MAX).await?;
    let archived = app.library.archive(body.bytes.clone()).await?;
    Ok((StatusCode::CREATED, Json(archived)))
}
