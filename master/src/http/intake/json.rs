//! Small bodies of JSON: received, read, and their room given back.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::header;
use serde::de::DeserializeOwned;

use super::budget::Budget;
use super::decode::{Decoded, decode};
use super::receive::receive_at_most;
use crate::config::Timeouts;
use crate::http::error::ApiError;

/// Reads a body of at most so many bytes.
pub(in crate::http) async fn json<T: DeserializeOwned + Send + 'static>(
    request: Request,
    budget: &Arc<Budget>,
    timeouts: Timeouts,
    bytes_max: usize,
) -> Result<T, ApiError> {
    let received = receive_at_most(request, budget, timeouts, bytes_max).await?;
    let Decoded { body, .. } = decode(received, budget, 0).await?;
    Ok(body)
}

/// The same for a body that may be left out.
pub(in crate::http) async fn json_or_default<T: DeserializeOwned + Default + Send + 'static>(
    request: Request,
    budget: &Arc<Budget>,
    timeouts: Timeouts,
    bytes_max: usize,
) -> Result<T, ApiError> {
    let headers = request.headers();
    let announced = headers.get(header::CONTENT_LENGTH);
    let has_body = headers.contains_key(header::TRANSFER_ENCODING)
        || announced.is_some_and(|length| length.as_bytes() != b"0");
    if has_body {
        json(request, budget, timeouts, bytes_max).await
    } else {
        Ok(T::default())
    }
}
