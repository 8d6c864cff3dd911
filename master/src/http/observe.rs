//! What surrounds every request: its id, its error body, its log line.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use super::error::ApiError;

/// The header of request ids, both ways.
pub(super) const REQUEST_ID: &str = "x-request-id";

/// Longest request id that is taken from a client.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// The id of a request, for whoever writes it down elsewhere.
#[derive(Debug, Clone)]
pub(super) struct RequestId(pub(super) String);

/// Gives the request an id, writes the body of an error, and logs one line: no bodies, no query
/// values, which could be secrets.
pub(super) async fn request(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(request.headers());
    let method = request.method().clone();
    let pattern = request.extensions().get::<MatchedPath>().cloned();
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = next.run(request).await;
    let error = response.extensions_mut().remove::<ApiError>();
    if let Some(error) = &error {
        write_problem(&mut response, error, &id);
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let path = pattern.as_ref().map_or("(unknown)", MatchedPath::as_str);
    log(
        &method,
        path,
        response.status(),
        started.elapsed(),
        &id,
        error.as_ref(),
    );
    response
}

/// The client's own id when it is harmless in a log line, otherwise a new one.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok());
    let sane = |id: &&str| {
        (1..=REQUEST_ID_BYTES_MAX).contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    given
        .filter(sane)
        .map_or_else(|| uuid::Uuid::now_v7().to_string(), ToOwned::to_owned)
}

fn write_problem(response: &mut Response, error: &ApiError, id: &str) {
    // A problem is plain data; the fallback is there for the type system only.
    let body = serde_json::to_vec(&error.problem(id)).unwrap_or_default();
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, body.len().into());
    *response.body_mut() = Body::from(body);
}

fn log(
    method: &Method,
    path: &str,
    status: StatusCode,
    elapsed: Duration,
    request_id: &str,
    error: Option<&ApiError>,
) {
    let status = status.as_u16();
    let duration_ms = elapsed.as_micros() as f64 / 1_000.0;
    let code = error.map_or("", ApiError::code);
    if let Some(cause) = error.and_then(ApiError::cause) {
        tracing::error!(%method, path, status, duration_ms, request_id, code, ?cause, "request");
    } else if error.is_some() {
        tracing::info!(%method, path, status, duration_ms, request_id, code, "request");
    } else if is_routine(path) {
        tracing::debug!(%method, path, status, duration_ms, request_id, "request");
    } else {
        tracing::info!(%method, path, status, duration_ms, request_id, "request");
    }
}

/// What programs ask or say every few seconds, as long as it goes well.
fn is_routine(path: &str) -> bool {
    matches!(path, "/health" | "/agents/lease" | "/api/task/available")
        || (path.starts_with("/jobs/{job}/attempts/") && !path.ends_with("/finish"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_for(given: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(
            REQUEST_ID,
            HeaderValue::from_bytes(given.as_bytes()).unwrap(),
        );
        request_id(&headers)
    }

    #[test]
    fn an_id_that_could_disturb_a_log_line_is_replaced() {
        assert_eq!(id_for("build-7_a.b"), "build-7_a.b");
        let too_long = "x".repeat(129);
        for given in ["", "a b", "a\tb", "<x>", too_long.as_str()] {
            assert_ne!(id_for(given), given);
        }
    }
}
