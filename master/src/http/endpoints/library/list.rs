//! `GET /library`: which test files are there?

use axum::extract::State;
use axum::http::{HeaderValue, Uri, header};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use shared::library::LibraryFile;
use shared::limits::{LIBRARY_LIMIT_DEFAULT, LIBRARY_LIMIT_MAX, LIBRARY_PATH_BYTES_MAX};
use shared::query::LibraryQuery;

use crate::http::answer::Known;
use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::ApiError;
use crate::http::parameters::Parameters;
use crate::http::problems::{BadParameter, Unavailable};

/// Version and kind of a cursor's content, which is the path of the last file shown.
const CURSOR_TAG: &str = "1l";

/// Lists the files of the test library, sorted by path
///
/// All folders below it are looked through. Hidden files and folders, `__pycache__`, links and devices are left
/// out. When there are more, `Link: <...>; rel="next"` leads on. A master without `--tests-dir` has none.
#[utoipa::path(
    get,
    path = "/library",
    operation_id = "list_library",
    tag = "library",
    security(("bearer" = ["read"])),
    params(LibraryQuery),
    responses(
        (status = 200, description = "Files", body = Vec<LibraryFile>,
            headers(("link" = String, description = "`rel=\"next\"` when there are more"))),
        (status = 304, description = "As the client has it"),
        BadParameter,
        Unavailable,
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    _: Asking,
    parameters: Parameters,
    known: Known,
    uri: Uri,
) -> Result<Response, ApiError> {
    let limit = parameters.limit(LIBRARY_LIMIT_DEFAULT, LIBRARY_LIMIT_MAX)?;
    let behind = cursor(&parameters)?;
    let (files, more) = app.library.list(behind, limit as usize).await?;
    let mut response = known.answer(&files)?;
    let last = files.last().filter(|_| more);
    if let Some(link) = last.and_then(|last| link(&uri, &last.path)) {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

fn cursor(parameters: &Parameters) -> Result<Option<String>, ApiError> {
    // Four letters for three bytes.
    let bytes_max = (CURSOR_TAG.len() + LIBRARY_PATH_BYTES_MAX).div_ceil(3) * 4;
    let Some(cursor) = parameters.text("cursor", bytes_max)? else {
        return Ok(None);
    };
    let decoded = URL_SAFE_NO_PAD.decode(&cursor).ok();
    let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    let path = text.and_then(|text| text.strip_prefix(CURSOR_TAG).map(str::to_owned));
    path.map(Some).ok_or_else(|| {
        let detail = "cursor: not one of this list; take it unchanged out of a Link header";
        ApiError::invalid_parameter("cursor", detail)
    })
}

fn link(uri: &Uri, last: &str) -> Option<HeaderValue> {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    let given = url::form_urlencoded::parse(uri.query().unwrap_or("").as_bytes());
    query.extend_pairs(given.filter(|(name, _)| name != "cursor"));
    query.append_pair(
        "cursor",
        &URL_SAFE_NO_PAD.encode(format!("{CURSOR_TAG}{last}")),
    );
    let link = format!("<{}?{}>; rel=\"next\"", uri.path(), query.finish());
    HeaderValue::from_str(&link).ok()
}
