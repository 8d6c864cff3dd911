//! `GET /`: where a stranger looks first.

use std::sync::LazyLock;

use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::answer::Known;
use crate::http::error::ApiError;
use crate::http::openapi;

/// Read out of the document once.
static PATHS: LazyLock<Vec<String>> =
    LazyLock::new(|| openapi::document().paths.paths.into_keys().collect());

/// What listens here, and what it answers to.
#[derive(Debug, Serialize, ToSchema)]
struct Index {
    /// Always `pytest-platform-master`.
    name: &'static str,
    /// Version of the program.
    version: &'static str,
    /// Version of the wire.
    wire_version: u32,
    /// Where to read about it.
    docs: &'static str,
    /// Every path.
    paths: &'static [String],
}

/// Names the endpoints
#[utoipa::path(
    get,
    path = "/",
    operation_id = "get_index",
    tag = "master",
    security(("bearer" = [])),
    responses((status = 200, description = "What there is", body = Index)),
)]
pub(in crate::http) async fn handle(known: Known) -> Result<Response, ApiError> {
    known.answer(&Index {
        name: "pytest-platform-master",
        version: env!("CARGO_PKG_VERSION"),
        wire_version: shared::version::WIRE_VERSION,
        docs: "/docs",
        paths: &PATHS,
    })
}
