//! `GET /docs`: Swagger UI, served from the binary.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::Path;
use axum::http::{HeaderValue, Uri, header};
use axum::response::Response;
use utoipa_swagger_ui::Config;

use crate::http::answer::Known;
use crate::http::error::ApiError;

/// Swagger UI styles itself from scripts and draws with data URLs; it loads nothing from elsewhere.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'",
);

/// Documentation for people, with requests to try
#[utoipa::path(
    get,
    path = "/docs",
    operation_id = "get_docs",
    tag = "master",
    security(("bearer" = [])),
    responses((status = 200, description = "Swagger UI", content_type = "text/html")),
)]
pub(in crate::http) async fn handle(known: Known) -> Result<Response, ApiError> {
    let page = file("index.html")?.ok_or_else(|| ApiError::internal("Swagger UI has no page"))?;
    let page = String::from_utf8_lossy(&page.bytes).replace("\"./", "\"docs/");
    let page = page.replace("href=\"index.css\"", "href=\"docs/index.css\"");
    Ok(with_policy(
        known.answer_bytes(page, "text/html; charset=utf-8"),
    ))
}

/// A file of Swagger UI, of no interest to the document.
pub(in crate::http) async fn handle_asset(
    Path(name): Path<String>,
    known: Known,
    uri: Uri,
) -> Result<Response, ApiError> {
    let file = file(&name)?.ok_or_else(|| ApiError::unknown_path(uri.path()))?;
    let kind = match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "png" => "image/png",
        "html" => "text/html; charset=utf-8",
        _ => return Err(ApiError::unknown_path(uri.path())),
    };
    Ok(with_policy(
        known.answer_bytes(file.bytes.into_owned(), kind),
    ))
}

struct File {
    bytes: Cow<'static, [u8]>,
}

fn file(name: &str) -> Result<Option<File>, ApiError> {
    let config = Arc::new(Config::from("openapi.json"));
    let found = utoipa_swagger_ui::serve(name, config);
    let found = found.map_err(|error| ApiError::internal(error.to_string()))?;
    Ok(found.map(|file| File { bytes: file.bytes }))
}

fn with_policy(mut response: Response) -> Response {
    response
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, POLICY);
    response
}
