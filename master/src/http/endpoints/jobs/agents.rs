//! `GET /agents`: who carries out jobs?

use std::collections::BTreeSet;

use axum::extract::State;
use axum::response::Response;
use shared::job::JobState;
use shared::lease::Agent;
use shared::limits::JOBS_LIMIT_MAX;

use crate::http::answer::Known;
use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::ApiError;
use crate::jobs::JobsFilter;

/// Every agent that was heard of late, by name
#[utoipa::path(
    get,
    path = "/agents",
    operation_id = "list_agents",
    tag = "jobs",
    security(("bearer" = ["read"])),
    responses(
        (status = 200, description = "Agents", body = Vec<Agent>),
        (status = 304, description = "As the client has it"),
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asking: Asking,
    known: Known,
) -> Result<Response, ApiError> {
    let mut agents = app.jobs.agents().await?;
    if let Some(project) = asking.0.project() {
        let seen = running(&app, project).await?;
        for agent in &mut agents {
            agent.jobs.retain(|job| seen.contains(job));
        }
    }
    known.answer(&agents)
}

/// Jobs of a project that run now, the newest [`JOBS_LIMIT_MAX`] of them.
async fn running(app: &App, project: &str) -> Result<BTreeSet<i64>, ApiError> {
    let filter = JobsFilter {
        project: Some(project.to_owned()),
        state: Some(JobState::Running),
        limit: JOBS_LIMIT_MAX,
        ..JobsFilter::default()
    };
    let jobs = app.jobs.list(&filter).await?;
    Ok(jobs.into_iter().map(|job| job.id).collect())
}
