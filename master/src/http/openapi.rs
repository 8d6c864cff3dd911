//! The OpenAPI document: made from the same declarations as the router.

use utoipa::OpenApi;

use super::router;

/// What the document says about the whole; the endpoints add themselves.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "pytest-platform master",
        description = "Keeps the results of pytest runs and answers questions about them. Errors are \
                       `application/problem+json`; every answer carries `x-request-id`; bodies may be \
                       gzip or zstd both ways.",
        license(name = "MIT", identifier = "MIT"),
    ),
    tags(
        (name = "report", description = "Sending results"),
        (name = "read", description = "Asking about results"),
        (name = "master", description = "The master itself"),
    ),
    components(schemas(shared::error::Problem)),
)]
pub(super) struct Document;

/// The whole document.
pub fn document() -> utoipa::openapi::OpenApi {
    router::endpoints().into_openapi()
}
