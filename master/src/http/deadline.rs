//! A bound on the time of questions.

use std::time::Duration;

use axum::extract::Request;
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::ApiError;

/// Longest time for the answer to a question. Reports have bounds of their own, because what was
/// accepted has to be answered with what became of it.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Gives up a question that takes too long.
pub(super) async fn bound_reads(request: Request, next: Next) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    match tokio::time::timeout(READ_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::busy("the answer took too long; try again").into_response(),
    }
}
