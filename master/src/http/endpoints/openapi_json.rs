//! `GET /openapi.json`: the OpenAPI document.

use std::sync::LazyLock;

use axum::response::Response;

use crate::http::answer::Known;
use crate::http::openapi;

/// Made once: it is the same for every request.
static DOCUMENT: LazyLock<String> =
    LazyLock::new(|| openapi::document().to_json().unwrap_or_default());

/// The OpenAPI document
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "get_openapi",
    tag = "master",
    security(("bearer" = [])),
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json")),
)]
pub(in crate::http) async fn handle(known: Known) -> Response {
    known.answer_bytes(DOCUMENT.as_str(), "application/json")
}
