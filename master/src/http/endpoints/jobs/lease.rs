//! `POST /agents/lease`: an agent wants work.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use shared::access::Scope;
use shared::lease::{Lease, LeaseRequest};
use shared::limits::{JOB_BODY_BYTES_MAX, LEASE_WAIT_S_MAX};

use super::handed_out::HandedOut;
use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::ApiError;
use crate::http::intake;
use crate::http::problems::{JsonProblems, Unavailable};

/// Hands out the next job that an agent can have
///
/// When there is none, the answer waits up to `wait_s` seconds for one. An agent that hangs up while it
/// waits is handed nothing, and what was handed to a connection that is gone is queued again at once,
/// as far as that can be known; otherwise the job is queued again when its lease is over.
#[utoipa::path(
    post,
    path = "/agents/lease",
    operation_id = "lease_job",
    tag = "agents",
    security(("bearer" = ["run"])),
    request_body = LeaseRequest,
    responses(
        (status = 200, description = "A job", body = Lease),
        (status = 204, description = "There is none"),
        JsonProblems,
        Unavailable,
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asking: Asking,
    request: Request,
) -> Result<Response, ApiError> {
    let read = intake::json(request, &app.budget, app.timeouts, JOB_BODY_BYTES_MAX);
    let wanted: LeaseRequest = read.await?;
    // Its run would be refused when all its tests are over, and kept where nobody looks.
    if !Scope::Report.is_in(&asking.0.scopes) {
        return Err(ApiError::scope_missing(&asking.0.name, &[Scope::Report]));
    }
    let wait = Duration::from_secs(wanted.wait_s.min(LEASE_WAIT_S_MAX).into());
    let project = asking.0.project();
    let lease = tokio::select! {
        biased;
        lease = app.jobs.lease_or_wait(&wanted, project, wait) => lease?,
        // A master that stops lets its agents go to another one.
        () = app.feed.ended() => None,
    };
    match lease {
        Some(lease) => Ok(HandedOut::new(&lease, app.jobs.clone()).into_response()),
        None => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}
