//! `DELETE /library/{path}`: a file goes.

use axum::extract::State;
use axum::http::StatusCode;

use super::{FilePath, may_change};
use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::ApiError;
use crate::http::problems::{BadParameter, LibraryProblems, NotFound, Unavailable};
use crate::library::LibraryPath;

/// Deletes a file of the test library
///
/// Folders that are empty then go with it. What was in it stays as its versions, and jobs that were queued
/// before still have it.
#[utoipa::path(
    delete,
    path = "/library/{*path}",
    operation_id = "delete_library_file",
    tag = "library",
    security(("bearer" = ["admin"])),
    params(("path" = String, Path, description = "Path of the file, relative to the library; may contain `/`")),
    responses(
        (status = 204, description = "It is gone"),
        NotFound,
        LibraryProblems,
        BadParameter,
        Unavailable,
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asking: Asking,
    FilePath(path): FilePath,
) -> Result<StatusCode, ApiError> {
    may_change(&asking)?;
    app.library.remove(LibraryPath::of("path", &path)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
