//! `GET /events`: what happens now?

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{IntoResponse, Response, sse};
use futures_util::{StreamExt, stream};
use shared::error::Problem;
use shared::query::EventsQuery;
use shared::run::RunSummary;

use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::ApiError;
use crate::http::parameters::Parameters;
use crate::live::Event;

/// How long a client waits before it connects again.
const RETRY: Duration = Duration::from_secs(3);

/// What a client that comes back sends of itself.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Tells what happens, as it happens (server-sent events)
///
/// Events: `run_started`, `run_progressed` (at most one a second for a run), `run_finished`; their
/// data is the run as `GET /results` lists it. `job_changed` when a job comes into another state; its
/// data is the job as `GET /jobs` lists it. `job_deleted` when a job is there no longer; its data is
/// `{"id": 7}`. `missed` says that events may have gone by: after a
/// pause, or because the client read too slowly. A comment comes every 15 seconds.
#[utoipa::path(
    get,
    path = "/events",
    operation_id = "listen",
    tag = "read",
    security(("bearer" = ["read"])),
    params(EventsQuery),
    responses(
        (status = 200, description = "A stream that ends when the master does; the data of an event is a run", body = RunSummary, content_type = "text/event-stream"),
        (status = 403, description = "The token or account is bound to another project", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter breaks a rule; `field` names it", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many listeners: try again", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asking: Asking,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let project = asking.project(parameters.name("project")?)?;
    let comes_back = headers.contains_key(LAST_EVENT_ID);
    let listener = app
        .feed
        .listen(project, comes_back)
        .ok_or_else(|| ApiError::busy("too many listeners at the same time; try again"))?;
    // Sent at once, so that the client knows that it is heard and proxies pass on the head.
    let greeting = sse::Event::default().retry(RETRY).comment("listening");
    let events = listener.into_stream().map(|event| written(&event));
    let stream = stream::iter([greeting])
        .chain(events)
        .map(Ok::<_, Infallible>);
    let heartbeat = KeepAlive::new()
        .interval(app.timeouts.heartbeat)
        .text("still here");
    let mut response = Sse::new(stream).keep_alive(heartbeat).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-store, no-transform"),
    );
    // nginx would hold events back otherwise.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

fn written(event: &Event) -> sse::Event {
    let written = sse::Event::default()
        .event(event.name.as_str())
        .data(&*event.data);
    match event.id {
        Some(id) => written.id(id.to_string()),
        None => written,
    }
}
