//! `DELETE /api/testrun/{id}`: forgets a testrun.

use axum::extract::State;
use axum::http::StatusCode;
use shared::job::JobKind;

use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::endpoints::jobs::seen_of;
use crate::http::error::ApiError;
use crate::http::path::JobName;
use crate::http::problems::{NotFound, Unavailable};

/// Deletes a testrun with its logs
///
/// One that waits or runs is cancelled; it is not seen any more at once.
#[utoipa::path(
    delete,
    path = "/api/testrun/{id}",
    operation_id = "delete_testrun",
    tag = "testruns",
    security(("bearer" = ["run"])),
    params(("id" = i64, Path, description = "The testrun's `id`")),
    responses(
        (status = 204, description = "It is gone"),
        NotFound,
        Unavailable,
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asking: Asking,
    name: JobName,
) -> Result<StatusCode, ApiError> {
    let job = seen_of(&app, &asking, &name, JobKind::Testrun).await?;
    app.jobs.forget(job.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
