//! `POST /results`: keeps a run.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use shared::answer::Saved as SavedAnswer;
use shared::error::Problem;
use shared::run::NewRun;

use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::ApiError;
use crate::http::intake;
use crate::ingest::{IngestError, Saved};

/// Keeps a whole run
///
/// Only `run_id` and `worker_id` are required. Send counts and `failures`, or `cases`, from which
/// counts and failures follow. The answer comes when the run is durable. The same content may be
/// sent again at any time. A run that was opened and is not finished is completed by it, when the
/// worker is the same.
#[utoipa::path(
    post,
    path = "/results",
    operation_id = "save_run",
    tag = "report",
    security(("bearer" = ["report"])),
    request_body = NewRun,
    responses(
        (status = 201, description = "Kept", body = SavedAnswer),
        (status = 200, description = "The same content was there already", body = SavedAnswer),
        (status = 400, description = "Not JSON, or not packed as it says", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The token or account is bound to another project", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not arrive in time", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The run id is taken by other content", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Wrong Content-Type or Content-Encoding", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "JSON, but a field breaks a rule; `field` names it", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too busy, or the database is away: try again", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asking: Asking,
    request: Request,
) -> Result<Response, ApiError> {
    let received = intake::receive(request, &app.budget, app.timeouts).await?;
    let intake::Decoded::<NewRun> { body: run, room } =
        intake::decode(received, &app.budget, 0).await?;
    asking.names("project", &run.project)?;
    let run_id = run.run_id.clone();
    if asking.is_foreign(&app.store, &run_id).await? {
        // It might be completed by this one otherwise, and be of another project then.
        return Err(IngestError::Conflict.into());
    }
    let saving = async move { app.ingest.save(run, Utc::now()).await };
    let saved = intake::to_the_end(room, saving).await?;
    Ok(answer(run_id, saved))
}

/// The answer about a run that is stored whole.
pub(super) fn answer(run_id: String, saved: Saved) -> Response {
    let status = match saved {
        Saved::Created => StatusCode::CREATED,
        Saved::Unchanged => StatusCode::OK,
    };
    let location = location(&run_id);
    let answer = SavedAnswer {
        run_id,
        status: "saved".to_owned(),
    };
    let mut response = (status, Json(answer)).into_response();
    if let Some(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// Where the run can be read.
fn location(run_id: &str) -> Option<HeaderValue> {
    let mut url = url::Url::parse("http://localhost/results").ok()?;
    url.path_segments_mut().ok()?.push(run_id);
    HeaderValue::from_str(url.path()).ok()
}
