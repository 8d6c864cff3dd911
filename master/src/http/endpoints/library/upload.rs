//! `POST /library`: files are put into the library as a form sends them.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use multer::Multipart;
use shared::library::Uploaded;
use shared::limits::{BODY_BYTES_MAX, LIBRARY_FILE_BYTES_MAX, LIBRARY_UPLOADS_MAX};
use shared::validate::Invalid;
use utoipa::ToSchema;

use super::{may_change, status};
use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::ApiError;
use crate::http::intake;
use crate::http::problems::{JsonProblems, LibraryProblems, Unavailable};
use crate::library::{LibraryPath, NewFile};

/// What the form has.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the document is made of the declaration")]
pub(in crate::http) struct UploadForm {
    /// The folder that the files go into, relative to the library; it is made when it is not there. Empty or
    /// absent: the library itself.
    directory: Option<String>,
    /// One part for each file, with its name.
    #[schema(value_type = Vec<String>, format = Binary)]
    file: Vec<String>,
}

/// Puts files into the test library, all or none
///
/// A form as browsers and `curl -F directory=new -F file=@test_a.py` send it. Every file is checked before the
/// first is written.
#[utoipa::path(
    post,
    path = "/library",
    operation_id = "upload_library_files",
    tag = "library",
    security(("bearer" = ["run"])),
    request_body(content = inline(UploadForm), content_type = "multipart/form-data"),
    responses(
        (status = 201, description = "All files are there now, and at least one was not before", body = Vec<Uploaded>),
        (status = 200, description = "All files were there before; they are replaced, or were the same", body = Vec<Uploaded>),
        LibraryProblems,
        JsonProblems,
        Unavailable,
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asking: Asking,
    request: Request,
) -> Result<Response, ApiError> {
    let boundary = may_change(&asking).and_then(|()| boundary(request.headers()));
    let boundary = match boundary {
        Ok(boundary) => boundary,
        Err(error) => {
            intake::discard(request).await;
            return Err(error);
        }
    };
    let body = intake::receive_piece(request, &app.budget, app.timeouts, BODY_BYTES_MAX).await?;
    let files = read(body.bytes.clone(), boundary).await?;
    let uploaded = app.library.upload(files, &asking.0.name).await?;
    Ok((status(&uploaded), Json(uploaded)).into_response())
}

fn boundary(headers: &HeaderMap) -> Result<String, ApiError> {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    multer::parse_boundary(kind).map_err(|_| {
        ApiError::unsupported_media_type(
            "the body must be multipart/form-data with a boundary, as `curl -F file=@test_a.py` \
             sends it; PUT /library/{path} takes one file as it is",
        )
    })
}

/// The files of a form.
async fn read(body: Bytes, boundary: String) -> Result<Vec<NewFile>, ApiError> {
    let broken = |error: multer::Error| {
        ApiError::malformed("invalid_form", format!("the form cannot be read: {error}"))
    };
    let body = stream::iter([Ok::<_, std::convert::Infallible>(body)]);
    let mut form = Multipart::new(body, boundary);
    let mut directory: Option<String> = None;
    let mut files: Vec<(String, Bytes)> = Vec::new();
    while let Some(part) = form.next_field().await.map_err(broken)? {
        let name = part.name().unwrap_or_default().to_owned();
        let file_name = part.file_name().map(str::to_owned);
        match (name.as_str(), file_name) {
            ("directory", None) if directory.is_none() => {
                directory = Some(part.text().await.map_err(broken)?);
            }
            ("directory", _) => {
                return Err(Invalid::new("directory", "must be one text, no file").into());
            }
            ("file", Some(file_name)) if files.len() < LIBRARY_UPLOADS_MAX => {
                files.push((file_name, part.bytes().await.map_err(broken)?));
            }
            ("file", Some(_)) => {
                let reason = format!("at most {LIBRARY_UPLOADS_MAX} files are taken at once");
                return Err(Invalid::new("file", reason).into());
            }
            ("file", None) => {
                return Err(Invalid::new("file", "must be a file with a name").into());
            }
            (other, _) => {
                let shown: String = other.chars().take(100).collect();
                let reason = "is unknown; the form has `directory` and `file`";
                return Err(Invalid::new(shown.escape_debug().to_string(), reason).into());
            }
        }
    }
    if files.is_empty() {
        return Err(Invalid::new("file", "is missing; the form must have at least one").into());
    }
    let directory = folder(directory.as_deref().unwrap_or_default())?;
    files
        .into_iter()
        .enumerate()
        .map(|(index, (name, content))| Ok(new_file(index, &directory, &name, content)?))
        .collect()
}

/// The folder with a `/` behind it; nothing for the library itself.
fn folder(directory: &str) -> Result<String, Invalid> {
    let directory = directory.strip_suffix('/').unwrap_or(directory);
    if directory.is_empty() {
        return Ok(String::new());
    }
    let path = LibraryPath::of_new_folder("directory", directory)?;
    Ok(format!("{path}/"))
}

fn new_file(index: usize, directory: &str, name: &str, content: Bytes) -> Result<NewFile, Invalid> {
    let field = format!("file[{index}]");
    if content.len() > LIBRARY_FILE_BYTES_MAX {
        let reason = format!("must have at most {LIBRARY_FILE_BYTES_MAX} bytes");
        return Err(Invalid::new(field, reason));
    }
    // The name for itself first: behind a folder, a `/` at its beginning would look like an empty part.
    LibraryPath::of_upload(&field, name)?;
    let path = LibraryPath::of_upload(&field, &format!("{directory}{name}"))?;
    Ok(NewFile {
        field,
        path,
        content,
    })
}
