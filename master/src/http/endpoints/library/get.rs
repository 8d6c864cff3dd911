//! `GET /library/{path}`: what is in a file, or what was in it.

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use shared::library::LibraryVersion;
use shared::query::LibraryFileQuery;

use super::FilePath;
use crate::http::answer::Known;
use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::ApiError;
use crate::http::parameters::Parameters;
use crate::http::problems::{BadParameter, NotFound, Unavailable};
use crate::library::LibraryPath;

/// Room for a hash, and for a wrong one that an error can show.
const VERSION_BYTES_MAX: usize = 200;

/// Shows what is in a file of the test library
///
/// As it is, as text or as bytes, never as what a browser would run. With `versions=true` the contents that
/// were uploaded for it, the last first; with `version` one of these, even when the file is deleted.
#[utoipa::path(
    get,
    path = "/library/{*path}",
    operation_id = "get_library_file",
    tag = "library",
    security(("bearer" = ["read"])),
    params(
        ("path" = String, Path, description = "Path of the file, relative to the library; may contain `/`"),
        LibraryFileQuery,
    ),
    responses(
        (status = 200, description = "The content, or with `versions=true` the versions", content(
            (String = "text/plain"),
            (String = "application/octet-stream"),
            (Vec<LibraryVersion> = "application/json"),
        )),
        (status = 304, description = "As the client has it"),
        NotFound,
        BadParameter,
        Unavailable,
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    _: Asking,
    FilePath(path): FilePath,
    parameters: Parameters,
    known: Known,
) -> Result<Response, ApiError> {
    let path = LibraryPath::of("path", &path)?;
    let versions = parameters.parsed("versions", "true or false", |text| text.parse().ok())?;
    if versions == Some(true) {
        return known.answer(&app.library.versions(&path).await?);
    }
    let content = match parameters.text("version", VERSION_BYTES_MAX)? {
        Some(hash) => app.library.version(&path, &hash).await?,
        None => app.library.read(path).await?,
    };
    let kind = kind(&content);
    Ok(known.answer_bytes(content, kind))
}

/// Whatever the name says: an uploaded page must not become one of the master's.
fn kind(content: &Bytes) -> &'static str {
    match std::str::from_utf8(content) {
        Ok(_) => "text/plain; charset=utf-8",
        Err(_) => "application/octet-stream",
    }
}
