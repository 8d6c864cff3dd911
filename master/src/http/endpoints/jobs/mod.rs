//! Jobs, and the agents that carry them out.

pub(in crate::http) mod agents;
pub(in crate::http) mod cancel;
pub(in crate::http) mod create;
pub(in crate::http) mod delete;
pub(in crate::http) mod get;
mod handed_out;
pub(in crate::http) mod lease;
pub(in crate::http) mod list;
mod live_log;
pub(in crate::http) mod log;
pub(in crate::http) mod rerun;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use shared::job::{Job, JobKind};

use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::ApiError;
use crate::http::path::JobName;
use crate::jobs::Queued;

/// The job of a path, when the caller sees it.
pub(super) async fn seen(app: &App, asking: &Asking, name: &JobName) -> Result<Job, ApiError> {
    Ok(app.jobs.get(&name.0, asking.0.project()).await?)
}

/// The same, of one kind: the views of other contracts know no other.
pub(super) async fn seen_of(
    app: &App,
    asking: &Asking,
    name: &JobName,
    kind: JobKind,
) -> Result<Job, ApiError> {
    let job = seen(app, asking, name).await?;
    if job.kind == kind {
        Ok(job)
    } else {
        Err(ApiError::job_not_found(&name.0))
    }
}

/// The project that a new job belongs to: a caller bound to one need not name it.
pub(super) fn project_of_new(asking: &Asking, named: String) -> Result<String, ApiError> {
    let named = (!named.is_empty()).then_some(named);
    Ok(asking.project(named)?.unwrap_or_default())
}

/// A job, new or not, and where it is.
pub(super) fn answer(queued: &Queued) -> Response {
    let mut response = created(&queued.job, &location(&queued.job));
    if !queued.is_new {
        *response.status_mut() = StatusCode::OK;
    }
    response
}

/// 201, and where the new thing is.
pub(super) fn created(value: &impl Serialize, location: &str) -> Response {
    let mut response = (StatusCode::CREATED, Json(value)).into_response();
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// Where a job is.
fn location(job: &Job) -> String {
    format!("/jobs/{}", job.id)
}
