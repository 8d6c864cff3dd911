//! `GET /jobs/{job}/attempts/{attempt}/source`: what an agent has to unpack for a job.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use shared::job::Source;

use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::ApiError;
use crate::http::path::AttemptOf;
use crate::http::problems::{LeaseLost, Unavailable};
use crate::library::Content;
use crate::store::StoreError;

/// The hash of the body, which is also the name that the job's source has for it.
const CONTENT_HASH: HeaderName = HeaderName::from_static("x-content-blake3");

/// Hands out the files of a job to the agent that has it
///
/// An archive as it was uploaded, or the test library as it was when the job was queued, as tar.zst. Never
/// packed further. The BLAKE3 of the body is what `source` of the lease calls it (`archive`, `snapshot`).
#[utoipa::path(
    get,
    path = "/jobs/{job}/attempts/{attempt}/source",
    operation_id = "get_job_source",
    tag = "agents",
    security(("bearer" = ["run"])),
    params(
        ("job" = i64, Path, description = "`job` of the lease"),
        ("attempt" = i64, Path, description = "`attempt` of the lease"),
    ),
    responses(
        (status = 200, description = "The files; `x-content-blake3` has their hash", content(
            (String = "application/zstd"),
            (String = "application/gzip"),
            (String = "application/zip"),
        )),
        LeaseLost,
        Unavailable,
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asking: Asking,
    of: AttemptOf,
) -> Result<Response, ApiError> {
    if let Some(project) = asking.0.project() {
        app.jobs.get(&of.job.to_string(), Some(project)).await?;
    }
    let lease = app.jobs.attempt(of.job, of.attempt).await?;
    let hash = match lease.source {
        Source::Git(_) => return Err(ApiError::no_source("is in a git repository")),
        Source::Library(source) => source.snapshot.unwrap_or_default(),
        Source::Archive(source) => source.archive,
    };
    let content = app.library.content(&hash).await?;
    let mut content = content.ok_or_else(|| ApiError::no_source("is no longer kept"))?;
    let kind = kind(content.format.as_deref());
    let bytes = content.bytes;
    // With the first piece the database has shown that it can be read.
    let first = content.next().await?.unwrap_or_default();
    let mut response = Body::from_stream(pieces(first, content)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(hash) = HeaderValue::from_str(&hash) {
        headers.insert(CONTENT_HASH, hash);
    }
    Ok(response)
}

fn kind(format: Option<&str>) -> &'static str {
    match format {
        Some("zip") => "application/zip",
        Some("tar.gz") => "application/gzip",
        _ => "application/zstd",
    }
}

/// One piece after the other, the next when the last has been taken.
fn pieces(
    first: Bytes,
    rest: Content,
) -> impl futures_util::Stream<Item = Result<Bytes, StoreError>> + Send + 'static {
    let rest = stream::try_unfold(rest, |mut rest| async move {
        let piece = rest.next().await.inspect_err(|error| {
            tracing::error!(%error, "the source of a job cannot be read to its end");
        })?;
        Ok(piece.map(|piece| (piece, rest)))
    });
    stream::iter([Ok(first)]).chain(rest)
}
