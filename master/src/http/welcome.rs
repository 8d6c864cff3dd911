//! How long a caller is welcome: an answer that goes on and on ends when the token that opened it is revoked
//! or expires.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header;
use axum::response::Response;
use futures_util::StreamExt;

use crate::access::{Access, AccessError, Caller};

/// How often the caller of an answer that goes on is looked at again.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Somebody who was let in, and by what.
#[derive(Clone)]
pub(super) struct Welcome {
    pub(super) caller: Arc<Caller>,
    /// What he presented, `None` when nobody asked him.
    pub(super) presented: Option<String>,
}

impl Welcome {
    /// Ends a stream of events with the welcome; leaves other answers as they are.
    pub(super) fn bound(self, access: Access, response: Response) -> Response {
        let kind = response.headers().get(header::CONTENT_TYPE);
        let goes_on = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        if !goes_on {
            return response;
        }
        response.map(|body| {
            let pieces = body.into_data_stream();
            Body::from_stream(pieces.take_until(Box::pin(self.ends(access))))
        })
    }

    /// Resolves when he would be let in no more, or as somebody else.
    async fn ends(self, access: Access) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let is_welcome = match &self.presented {
                None => access.is_on().await.map(|is_on| !is_on),
                Some(presented) => match access.recognise(presented).await {
                    Ok(caller) => Ok(caller == self.caller),
                    Err(AccessError::Store(error)) => Err(error),
                    Err(_) => Ok(false),
                },
            };
            // While the database is away, nobody knows better.
            if matches!(is_welcome, Ok(false)) {
                return;
            }
        }
    }
}
