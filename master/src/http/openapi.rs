//! The OpenAPI document: made from the same declarations as the router.

use shared::error::PROBLEM_MEDIA_TYPE;
use utoipa::openapi::path::PathItem;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
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
        .map(|(path, item)| (written(&path), with_refusals(item)))
        .collect();
    document
}

/// What every operation that needs a token can answer, where it does not say so itself.
fn with_refusals(mut item: PathItem) -> PathItem {
    let operations = [
        &mut item.get,
        &mut item.put,
        &mut item.post,
        &mut item.delete,
    ];
    for operation in operations.into_iter().flatten() {
        let needs = serde_json::to_string(&operation.security).unwrap_or_default();
        if !needs.contains("bearer") {
            continue;
        }
        let responses = &mut operation.responses.responses;
        for (status, description) in [
            ("401", "A token is missing, or is of no use"),
            (
                "403",
                "The token lacks the scope, or is bound to another project",
            ),
        ] {
            let refusal = || RefOr::T(refusal(description));
            responses.entry(status.to_owned()).or_insert_with(refusal);
        }
    }
    item
}

fn refusal(description: &str) -> Response {
    let problem = Ref::from_schema_name("Problem");
    let content = ContentBuilder::new().schema(Some(problem)).build();
    ResponseBuilder::new()
        .description(description)
        .content(PROBLEM_MEDIA_TYPE, content)
        .build()
}

/// A route as the document writes it: a parameter that may contain `/` is `{*path}` to the router, which
/// OpenAPI has no word for.
pub(super) fn written(route: &str) -> String {
    route.replace("{*", "{")
}
