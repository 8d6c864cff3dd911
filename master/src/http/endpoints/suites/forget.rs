//! `DELETE /test_history`: forgets the suites that are over.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use shared::job::JobKind;
use shared::limits::JOBS_LIMIT_MAX;
use utoipa::ToSchema;

use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::ApiError;
use crate::http::problems::Unavailable;
use crate::jobs::{JobsError, JobsFilter};

/// How much was forgotten.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Forgotten {
    /// Suites.
    deleted: u64,
}

/// Forgets the suites that are over
///
/// One that waits or runs stays. The runs of those that are forgotten stay as well.
#[utoipa::path(
    delete,
    path = "/test_history",
    operation_id = "forget_suites",
    tag = "suites",
    security(("bearer" = ["run"])),
    responses(
        (status = 200, description = "How many were forgotten", body = Forgotten),
        Unavailable,
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asking: Asking,
) -> Result<Json<Forgotten>, ApiError> {
    let deleted = match asking.0.project() {
        None => app.jobs.delete_over(JobKind::Suite).await?,
        Some(_) => delete_seen(&app, &asking).await?,
    };
    Ok(Json(Forgotten { deleted }))
}

/// Deletes what a caller who is bound to a project sees, one by one.
async fn delete_seen(app: &App, asking: &Asking) -> Result<u64, ApiError> {
    let mut deleted = 0;
    let mut before = None;
    loop {
        let filter = JobsFilter {
            before,
            limit: JOBS_LIMIT_MAX,
            ..super::filter(asking)
        };
        let jobs = app.jobs.list(&filter).await?;
        for job in jobs.iter().filter(|job| job.state.is_over()) {
            match app.jobs.delete(job.id).await {
                Ok(()) => deleted += 1,
                // Somebody else was faster.
                Err(JobsError::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        match jobs.last() {
            Some(last) => before = Some(last.id),
            None => return Ok(deleted),
        }
    }
}
