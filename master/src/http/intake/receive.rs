//! Receives the bytes of a body, bounded in size and time.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use shared::limits::BODY_BYTES_MAX;
use tokio::time::{Instant, timeout, timeout_at};

use super::budget::{Account, Budget};
use super::discard;
use super::headers::{self, Packing};
use crate::config::Timeouts;
use crate::http::error::ApiError;

/// What is set aside for a body before any of it has arrived. A client may announce more than it
/// will ever send.
const RESERVED_BYTES: usize = 1024 * 1024;

/// The bytes of a body as they were sent, and the room that they take.
#[derive(Debug)]
pub(in crate::http) struct Received {
    pub(super) bytes: Bytes,
    pub(super) packing: Packing,
    /// What it may have at most once it is unpacked.
    pub(super) bytes_max: usize,
    pub(super) _account: Account,
}

/// The bytes of a body that is no JSON, and the room that they take.
#[derive(Debug)]
pub(in crate::http) struct Piece {
    pub(in crate::http) bytes: Bytes,
    _account: Account,
}

/// Receives a body of JSON that may be as large as any.
pub(in crate::http) async fn receive(
    request: Request,
    budget: &Budget,
    timeouts: Timeouts,
) -> Result<Received, ApiError> {
    receive_at_most(request, budget, timeouts, BODY_BYTES_MAX).await
}

/// Receives a body of JSON. When it is refused, the rest of it is read and thrown away, so that a
/// client that sends before it listens gets to see the answer.
pub(in crate::http) async fn receive_at_most(
    request: Request,
    budget: &Budget,
    timeouts: Timeouts,
    bytes_max: usize,
) -> Result<Received, ApiError> {
    let packing = match headers::check(request.headers(), bytes_max) {
        Ok(packing) => packing,
        Err(error) => {
            discard::discard(request).await;
            return Err(error);
        }
    };
    let (bytes, account) = bounded(request, budget, timeouts, bytes_max).await?;
    Ok(Received {
        bytes,
        packing,
        bytes_max,
        _account: account,
    })
}

/// Receives a body of any media type, as it is.
pub(in crate::http) async fn receive_piece(
    request: Request,
    budget: &Budget,
    timeouts: Timeouts,
    bytes_max: usize,
) -> Result<Piece, ApiError> {
    if let Err(error) = headers::check_piece(request.headers(), bytes_max) {
        discard::discard(request).await;
        return Err(error);
    }
    let (bytes, account) = bounded(request, budget, timeouts, bytes_max).await?;
    Ok(Piece {
        bytes,
        _account: account,
    })
}

async fn bounded(
    request: Request,
    budget: &Budget,
    timeouts: Timeouts,
    bytes_max: usize,
) -> Result<(Bytes, Account), ApiError> {
    let announced = headers::announced_length(request.headers());
    let mut body = request.into_body();
    let mut account = budget.received()?;
    match collect(&mut body, &mut account, announced, timeouts, bytes_max).await {
        Ok(bytes) => Ok((bytes, account)),
        Err(error) => {
            drop(account);
            if !error.is_client_too_slow() {
                discard::rest(body).await;
            }
            Err(error)
        }
    }
}

async fn collect(
    body: &mut Body,
    account: &mut Account,
    announced: Option<u64>,
    timeouts: Timeouts,
    bytes_max: usize,
) -> Result<Bytes, ApiError> {
    let deadline = Instant::now() + timeouts.body;
    let Some(first) = next_part(body, timeouts.body_pause, deadline).await? else {
        return Ok(Bytes::new());
    };
    if first.len() > bytes_max {
        return Err(ApiError::body_larger_than(bytes_max));
    }
    account.grow(first.len()).await?;
    // The body of most requests is one part, which needs no copy.
    if announced == Some(first.len() as u64) {
        return Ok(first);
    }
    let announced = announced.map_or(0, |bytes| bytes as usize);
    let mut whole =
        BytesMut::with_capacity(announced.clamp(first.len(), RESERVED_BYTES.max(first.len())));
    whole.extend_from_slice(&first);
    drop(first);
    while let Some(part) = next_part(body, timeouts.body_pause, deadline).await? {
        if whole.len() + part.len() > bytes_max {
            return Err(ApiError::body_larger_than(bytes_max));
        }
        account.grow(part.len()).await?;
        whole.extend_from_slice(&part);
    }
    Ok(whole.freeze())
}

async fn next_part(
    body: &mut Body,
    pause_max: Duration,
    deadline: Instant,
) -> Result<Option<Bytes>, ApiError> {
    loop {
        let frame = timeout_at(deadline, timeout(pause_max, body.frame())).await;
        let Ok(Ok(frame)) = frame else {
            return Err(ApiError::body_too_slow());
        };
        match frame {
            None => return Ok(None),
            Some(Err(error)) => {
                let detail = format!("the body ended early: {error}");
                return Err(ApiError::malformed("body_incomplete", detail));
            }
            Some(Ok(frame)) => {
                if let Ok(part) = frame.into_data() {
                    return Ok(Some(part));
                }
            }
        }
    }
}
