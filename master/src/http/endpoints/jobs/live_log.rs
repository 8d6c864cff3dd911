//! The log of a job as it grows, as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::http::{HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, StreamExt};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::jobs::{Jobs, JobsError};
use crate::live::Feed;

/// Most bytes of the log in one event.
const EVENT_BYTES_MAX: usize = 64 * 1024;

/// How long a client waits before it connects again.
const RETRY: Duration = Duration::from_secs(3);

/// Longest wait for more of the log before the job is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(20);

/// A reader of a log that grows.
#[derive(Debug)]
pub(super) struct LiveLog {
    jobs: Jobs,
    feed: Feed,
    job: i64,
    position: u64,
    is_done: bool,
    _permit: OwnedSemaphorePermit,
}

/// Data of the event `log`.
#[derive(Debug, Serialize)]
struct Piece<'a> {
    from: u64,
    text: &'a str,
}

/// Data of the event `end`.
#[derive(Debug, Serialize)]
struct End {
    bytes: u64,
    state: Option<&'static str>,
}

impl LiveLog {
    /// A reader from an offset on, if there are not too many already.
    pub(super) fn new(app: &App, job: i64, position: u64) -> Result<Self, ApiError> {
        let permit =
            app.log_readers.clone().try_acquire_owned().map_err(|_| {
                ApiError::busy("too many readers of logs at the same time; try again")
            })?;
        Ok(Self {
            jobs: app.jobs.clone(),
            feed: app.feed.clone(),
            job,
            position,
            is_done: false,
            _permit: permit,
        })
    }

    /// The next event; none when the job is over and that was told, or when the master stops.
    async fn next(&mut self) -> Option<Event> {
        if self.is_done {
            return None;
        }
        let feed = self.feed.clone();
        let event = tokio::select! {
            biased;
            () = feed.ended() => return None,
            event = self.read() => event,
        };
        match event {
            Ok(event) => Some(event),
            Err(JobsError::NotFound(_)) => Some(self.end(None)),
            Err(error) => {
                // The client comes back and goes on where it was.
                tracing::warn!(%error, job = self.job, "the reader of a log is sent away");
                None
            }
        }
    }

    async fn read(&mut self) -> Result<Event, JobsError> {
        loop {
            let bytes = self
                .jobs
                .log(self.job, self.position, EVENT_BYTES_MAX)
                .await?;
            let whole = &bytes[..bytes.len() - unfinished(&bytes)];
            if !whole.is_empty() {
                return Ok(self.piece(whole));
            }
            let beyond = self.position + bytes.len() as u64;
            let end = self.jobs.log_grown(self.job, beyond, LOOK_AGAIN).await?;
            if end.bytes > beyond || !end.is_over {
                continue;
            }
            if !bytes.is_empty() {
                return Ok(self.piece(&bytes));
            }
            let job = self.jobs.get(&self.job.to_string(), None).await?;
            if !job.state.is_over() {
                // It was queued again in this moment.
                continue;
            }
            return Ok(self.end(Some(job.state.as_str())));
        }
    }

    fn piece(&mut self, bytes: &[u8]) -> Event {
        let from = self.position;
        self.position += bytes.len() as u64;
        let text = String::from_utf8_lossy(bytes);
        self.event("log", &Piece { from, text: &text })
    }

    fn end(&mut self, state: Option<&'static str>) -> Event {
        self.is_done = true;
        let bytes = self.position;
        self.event("end", &End { bytes, state })
    }

    fn event(&self, name: &str, data: &impl Serialize) -> Event {
        Event::default()
            .event(name)
            .id(self.position.to_string())
            // Plain data; the fallback is there for the type system only.
            .data(serde_json::to_string(data).unwrap_or_default())
    }
}

/// Bytes at the end that begin a character whose rest is still to come.
fn unfinished(bytes: &[u8]) -> usize {
    match std::str::from_utf8(&bytes[bytes.len().saturating_sub(3)..]) {
        Ok(_) => 0,
        Err(_) => (1..=bytes.len().min(3))
            .find(|count| starts_longer(&bytes[bytes.len() - count..]))
            .unwrap_or(0),
    }
}

/// Whether a character begins here that is longer than what is there.
fn starts_longer(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes)
        .is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
}

/// The answer, which ends with the job.
pub(super) fn answer(log: LiveLog, heartbeat: Duration) -> Response {
    // Sent at once, so that the client knows that it is heard and proxies pass on the head.
    let greeting = Event::default().retry(RETRY).comment("listening");
    let events = stream::unfold(log, |mut log| async move {
        let event = log.next().await?;
        Some((event, log))
    });
    let events = stream::iter([greeting])
        .chain(events)
        .map(Ok::<_, Infallible>);
    let heartbeat = KeepAlive::new().interval(heartbeat).text("still here");
    let mut response = Sse::new(events).keep_alive(heartbeat).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-store, no-transform"),
    );
    // nginx would hold events back otherwise.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

#[cfg(test)]
mod tests {
    use super::unfinished;

    #[test]
    fn only_the_beginning_of_a_character_waits_for_its_rest() {
        for (bytes, expected) in [
            (&b""[..], 0),
            (b"abc", 0),
            ("é".as_bytes(), 0),
            (&"aé".as_bytes()[..2], 1),
            (&"a€".as_bytes()[..3], 2),
            (&"a€".as_bytes()[..2], 1),
            (&"😀".as_bytes()[..3], 3),
            ("ab😀".as_bytes(), 0),
            (b"\xff", 0),
            (b"a\xff\xff", 0),
            (b"\x80\x80\x80", 0),
            (b"\xe2\xff\x82", 0),
        ] {
            assert_eq!(unfinished(bytes), expected, "{bytes:x?}");
        }
    }
}
