//! `POST /results/{run_id}/finish`: the end of a run that was reported while it went on.

use axum::extract::{Request, State};
use axum::response::Response;
use chrono::Utc;
use shared::answer::Saved as SavedAnswer;
use shared::error::Problem;
use shared::stream::Finish;

use super::{open_run, post_results};
use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::ApiError;
use crate::http::intake;
use crate::http::path::RunId;

/// Finishes a run that was reported while it went on
///
/// The body is the run with its verdict; its cases are those of the batches, the last of each test.
/// What is stored is the same as if the run had been sent whole. The same finish may be sent again
/// for a day.
#[utoipa::path(
    post,
    path = "/results/{run_id}/finish",
    operation_id = "finish_run",
    tag = "report",
    security(("bearer" = ["report"])),
    params(("run_id" = String, Path, description = "The worker's id of the run, as in the body")),
    request_body = Finish,
    responses(
        (status = 201, description = "Whole and kept", body = SavedAnswer),
        (status = 200, description = "It was finished in the same way already", body = SavedAnswer),
        (status = 400, description = "Not JSON, or not packed as it says", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The token or account is bound to another project", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Nobody opened a run with this id", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not arrive in time", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The run is stored whole in another way (`run_finished`), belongs to another worker (`run_conflict`), or lacks batches (`batches_missing`)", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Wrong Content-Type or Content-Encoding", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "JSON, but a field breaks a rule; `field` names it", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too busy, or the database is away: try again", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asking: Asking,
    RunId(run_id): RunId,
    request: Request,
) -> Result<Response, ApiError> {
    let received = intake::receive(request, &app.budget, app.timeouts).await?;
    let merged_bytes = app.ingest.merged_bytes(&run_id).await?;
    let intake::Decoded::<Finish> { body: finish, room } =
        intake::decode(received, &app.budget, merged_bytes).await?;
    asking.names("run.project", &finish.run.project)?;
    open_run::refuse_other_id("run.run_id", &run_id, &finish.run.run_id)?;
    let finishing = async move { app.ingest.finish(finish, Utc::now()).await };
    let saved = intake::to_the_end(room, finishing).await?;
    Ok(post_results::answer(run_id, saved))
}
