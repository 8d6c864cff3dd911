//! The OpenAPI document: made from the same declarations as the router.

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

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
        (name = "access", description = "Who may do what, and who did what"),
        (name = "library", description = "Test files and archives that jobs are made of"),
        (name = "jobs", description = "Tests on demand"),
        (name = "agents", description = "What agents say; programs only"),
        (name = "suites", description = "Suites on demand, one at a time"),
        (name = "tasks", description = "Tasks for existing runners"),
        (name = "testruns", description = "Testruns of the test library"),
        (name = "master", description = "The master itself"),
    ),
    components(schemas(shared::error::Problem)),
    modifiers(&Bearer),
)]
pub(super) struct Document;

/// The one way to say who comes. What an endpoint needs stands beside its path as
/// `security(("bearer" = ["read"]))`: the gate reads it out of the document. `[]` lets in everybody who
/// is known, `security(())` everybody, and no word at all only who has the scope `admin`.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "A token (`pytest-platform-master token create`), or the access token of a login. \
                 Its scopes are named with each operation: `report`, `read`, `run`, `admin`; \
                 `admin` includes the others. A master without any token or account asks nobody.",
            ))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// The whole document.
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = router::endpoints().into_openapi();
    let paths = std::mem::take(&mut document.paths.paths);
    document.paths.paths = paths
        .into_iter()
        .map(|(path, item)| (written(&path), item))
        .collect();
    document
}

/// A route as the document writes it: a parameter that may contain `/` is `{*path}` to the router, which
/// OpenAPI has no word for.
pub(super) fn written(route: &str) -> String {
    route.replace("{*", "{")
}
