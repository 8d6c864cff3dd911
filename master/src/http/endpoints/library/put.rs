//! `PUT /library/{path}`: a file is put into the library, or replaced.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use shared::library::Uploaded;
use shared::limits::LIBRARY_FILE_BYTES_MAX;

use super::{FilePath, may_change, status};
use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::ApiError;
use crate::http::intake;
use crate::http::problems::{JsonProblems, LibraryProblems, Unavailable};
use crate::library::{LibraryPath, NewFile};

/// Puts a file into the test library, or replaces it
///
/// The body is the file as it is, whatever its Content-Type, at most 16 MiB. Folders that are not there are
/// made. Whoever reads the file sees the old content or the new one, never a part. The old one stays as a
/// version.
#[utoipa::path(
    put,
    path = "/library/{*path}",
    operation_id = "put_library_file",
    tag = "library",
    security(("bearer" = ["run"])),
    params(("path" = String, Path, description = "Path of the file, relative to the library; may contain `/`")),
    request_body(content = String, content_type = "application/octet-stream"),
    responses(
        (status = 201, description = "The file is there now", body = Uploaded),
        (status = 200, description = "It is replaced, or was the same already", body = Uploaded),
        LibraryProblems,
        JsonProblems,
        Unavailable,
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asking: Asking,
    FilePath(path): FilePath,
    request: Request,
) -> Result<Response, ApiError> {
    let path = may_change(&asking).and_then(|()| Ok(LibraryPath::of_upload("path", &path)?));
    let path = match path {
        Ok(path) => path,
        Err(error) => {
            intake::discard(request).await;
            return Err(error);
        }
    };
    let body = intake::receive_piece(request, &app.budget, app.timeouts, LIBRARY_FILE_BYTES_MAX);
    let body = body.await?;
    let file = NewFile {
        field: "path".to_owned(),
        path,
        content: body.bytes.clone(),
    };
    let uploaded = app.library.upload(vec![file], &asking.0.name).await?;
    let status = status(&uploaded);
    Ok((status, Json(uploaded.into_iter().next())).into_response())
}
