//! Throws away the body of a refused request. Most clients send the whole body before they read
//! the answer; a connection closed under them would hide why they were refused.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header;
use http_body_util::BodyExt;
use shared::limits::BODY_BYTES_MAX;

/// Most bytes that are thrown away for one request. Behind that, the connection is closed.
const DISCARDED_BYTES_MAX: usize = 4 * BODY_BYTES_MAX;

/// Longest time for it.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads and drops the body, unless its client waits for permission to send it.
pub(in crate::http) async fn discard(request: Request) {
    if !request.headers().contains_key(header::EXPECT) {
        rest(request.into_body()).await;
    }
}

/// Reads and drops what is left of a body.
pub(super) async fn rest(mut body: Body) {
    let all = async {
        let mut bytes = 0;
        while let Some(Ok(frame)) = body.frame().await {
            bytes += frame.data_ref().map_or(0, bytes::Bytes::len);
            if bytes > DISCARDED_BYTES_MAX {
                break;
            }
        }
    };
    // Whether all of it came does not matter: the connection is closed when it did not.
    let _ = tokio::time::timeout(DISCARD_TIMEOUT, all).await;
}
