//! `GET /projects`: which projects are known?

use axum::extract::State;
use axum::response::Response;
use shared::answer::ProjectSummary;

use crate::http::answer::Known;
use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::ApiError;
use crate::queries::names::{self, ProjectName};

/// Every project, the one with most runs first
#[utoipa::path(
    get,
    path = "/projects",
    operation_id = "list_projects",
    tag = "read",
    security(("bearer" = ["read"])),
    responses(
        (status = 200, description = "Projects", body = Vec<ProjectSummary>),
        (status = 304, description = "As the client has it"),
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asking: Asking,
    known: Known,
) -> Result<Response, ApiError> {
    let names = names::projects(&app.store).await?.into_iter();
    let projects: Vec<ProjectSummary> = names
        .filter(|name| asking.0.sees(&name.project))
        .map(|ProjectName { project, run_count }| ProjectSummary { project, run_count })
        .collect();
    known.answer(&projects)
}
