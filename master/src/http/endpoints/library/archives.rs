//! `POST /archives`: an archive that jobs can be made of.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use shared::library::Archived;
use shared::limits::ARCHIVE_BYTES_MAX;

use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::ApiError;
use crate::http::intake;
use crate::http::problems::{JsonProblems, Unavailable};

/// What a browser sends to anybody, for any page, without asking first.
const SENT_UNASKED: [&str; 3] = [
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "text/plain",
];

/// Keeps an archive that jobs can be made of
///
/// The body is a zip, tar.gz or tar.zst as it is, at most 64 MiB, known by its first bytes. Send it as
/// `application/octet-stream` (curl: `-H content-type:application/octet-stream --data-binary @FILE`). The answer's
/// `archive` goes into a job's `source`. The same archive has the same name. One that no job names is forgotten
/// after a day.
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
    if let Err(error) = refuse_unasked(request.headers()) {
        intake::discard(request).await;
        return Err(error);
    }
    let body = intake::receive_piece(request, &app.budget, app.timeouts, ARCHIVE_BYTES_MAX).await?;
    let archived = app.library.archive(body.bytes.clone()).await?;
    Ok((StatusCode::CREATED, Json(archived)))
}

/// A body without a type is what a page of another origin can send as well.
fn refuse_unasked(headers: &HeaderMap) -> Result<(), ApiError> {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    if kind.is_empty() || SENT_UNASKED.contains(&kind.as_str()) {
        return Err(ApiError::unsupported_media_type_but(
            "application/octet-stream",
            "send the header `Content-Type: application/octet-stream`, and the archive as it is",
        ));
    }
    Ok(())
}
