//! `GET /jobs/{job}/log`: what did the job say?

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use shared::error::Problem;
use shared::query::JobLogQuery;

use super::live_log::{self, LiveLog};
use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::{ApiError, LOG_BYTES};
use crate::http::parameters::Parameters;
use crate::http::path::JobName;
use crate::http::problems::{BadParameter, NotFound};
use crate::jobs::{Jobs, JobsError};

/// Read out of the database at a time.
const PIECE_BYTES_MAX: usize = 256 * 1024;

/// What a client that comes back sends of itself.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The log of a job: whole, from an offset, its end, or live
///
/// Offsets count bytes of UTF-8. `x-log-bytes` says where this answer ends, and so where to go on. Live, the
/// events are `log` with `{"from": N, "text": "..."}`, whose id is the offset behind the text, so that a
/// client that comes back misses nothing and gets nothing twice; and `end` with the job's state, after
/// which the client should hang up for good. The log is what tests printed: never show it as HTML.
#[utoipa::path(
    get,
    path = "/jobs/{job}/log",
    operation_id = "get_job_log",
    tag = "jobs",
    security(("bearer" = ["read"])),
    params(("job" = String, Path, description = "Its id or its UUID"), JobLogQuery),
    responses(
        (status = 200, description = "The log", content(
            (String = "text/plain; charset=utf-8"),
            (String = "text/event-stream"),
        ), headers(("x-log-bytes" = u64, description = "The offset behind the last byte of this answer"))),
        NotFound,
        BadParameter,
        (status = 503, description = "Too many readers, too busy, or the database is away: try again", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asking: Asking,
    name: JobName,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let wanted = Wanted::read(&parameters, &headers)?;
    let job = super::seen(&app, &asking, &name).await?;
    let from = wanted.start(job.log_bytes);
    if wanted.is_live {
        let log = LiveLog::new(&app, job.id, from)?;
        return Ok(live_log::answer(log, app.timeouts.heartbeat));
    }
    whole(app.jobs, job.id, from, job.log_bytes, wanted.tail.is_some()).await
}

/// What a client asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Wanted {
    from: Option<u64>,
    tail: Option<u64>,
    is_live: bool,
}

impl Wanted {
    fn read(parameters: &Parameters, headers: &HeaderMap) -> Result<Self, ApiError> {
        let bytes = |name| parameters.parsed(name, "a number of bytes", |text| text.parse().ok());
        let live = parameters.parsed("live", "true or false", |text| text.parse().ok())?;
        let is_live = live.unwrap_or_else(|| accepts_events(headers));
        let comes_back = headers.get(LAST_EVENT_ID).filter(|_| is_live);
        let comes_back = comes_back.and_then(|id| id.to_str().ok()?.parse().ok());
        let (from, tail) = (bytes("from")?, bytes("tail")?);
        if from.is_some() && tail.is_some() {
            let detail = "tail: not together with from";
            return Err(ApiError::invalid_parameter("tail", detail));
        }
        Ok(match comes_back {
            // The parameters are those of its first visit.
            Some(from) => Self {
                from: Some(from),
                tail: None,
                is_live,
            },
            None => Self {
                from,
                tail,
                is_live,
            },
        })
    }

    fn start(self, end: u64) -> u64 {
        match (self.from, self.tail) {
            (Some(from), _) => from.min(end),
            (None, Some(tail)) => end.saturating_sub(tail),
            (None, None) => 0,
        }
    }
}

fn accepts_events(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter();
    accepted
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .any(|kind| {
            let essence = kind.split(';').next().unwrap_or("").trim();
            essence.eq_ignore_ascii_case("text/event-stream")
        })
}

/// The log from an offset to where it ended when it was asked for.
async fn whole(
    jobs: Jobs,
    id: i64,
    from: u64,
    end: u64,
    is_tail: bool,
) -> Result<Response, ApiError> {
    // The first piece is read before the answer begins, while an error can still be told.
    let mut first = piece(&jobs, id, from, end).await?;
    let position = from + first.len() as u64;
    if is_tail && from > 0 {
        // The offset was not chosen by the client and may be in the middle of a character.
        let within = first
            .iter()
            .take(3)
            .take_while(|byte| **byte & 0xC0 == 0x80);
        let within = within.count();
        first = first.split_off(within);
    }
    let body = if position >= end {
        Body::from(first)
    } else {
        let rest = stream::try_unfold(position, move |position| {
            let jobs = jobs.clone();
            async move {
                let piece = piece(&jobs, id, position, end).await?;
                let next = position + piece.len() as u64;
                Ok::<_, JobsError>((!piece.is_empty()).then_some((piece, next)))
            }
        });
        Body::from_stream(stream::iter([Ok(first)]).chain(rest))
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, text);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(LOG_BYTES, HeaderValue::from(end));
    Ok(response)
}

async fn piece(jobs: &Jobs, id: i64, from: u64, end: u64) -> Result<Bytes, JobsError> {
    let left = usize::try_from(end.saturating_sub(from)).unwrap_or(usize::MAX);
    if left == 0 {
        return Ok(Bytes::new());
    }
    let bytes = jobs.log(id, from, left.min(PIECE_BYTES_MAX)).await?;
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_is_within_the_log() {
        let wanted = |from, tail| Wanted {
            from,
            tail,
            is_live: false,
        };
        assert_eq!(wanted(None, None).start(10), 0);
        assert_eq!(wanted(Some(4), None).start(10), 4);
        assert_eq!(wanted(Some(40), None).start(10), 10);
        assert_eq!(wanted(None, Some(4)).start(10), 6);
        assert_eq!(wanted(None, Some(40)).start(10), 0);
    }

    #[test]
    fn events_are_accepted_by_name_only() {
        let accepts = |line: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(line));
            accepts_events(&headers)
        };
        assert!(accepts("text/event-stream"));
        assert!(accepts("text/plain;q=0.1, Text/Event-Stream; q=1"));
        assert!(!accepts("*/*"));
        assert!(!accepts("text/*"));
    }
}
