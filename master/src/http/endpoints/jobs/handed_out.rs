//! The answer that carries a lease: when it cannot be sent, the job goes back into the queue.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use shared::lease::{AttemptEnding, FinishAttempt, Lease};

use crate::jobs::Jobs;

/// A lease on its way to the agent.
#[derive(Debug)]
pub(super) struct HandedOut {
    /// Taken when the connection asks for it, which it does only while it can be written to.
    json: Option<Bytes>,
    jobs: Jobs,
    job: i64,
    attempt: i64,
}

impl HandedOut {
    pub(super) fn new(lease: &Lease, jobs: Jobs) -> Self {
        Self {
            // A lease is plain data; the fallback is there for the type system only.
            json: Some(serde_json::to_vec(lease).unwrap_or_default().into()),
            jobs,
            job: lease.job,
            attempt: lease.attempt,
        }
    }
}

impl HttpBody for HandedOut {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.json.take().map(|json| Ok(Frame::data(json))))
    }

    fn is_end_stream(&self) -> bool {
        self.json.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.json.as_ref().map_or(0, Bytes::len) as u64)
    }
}

impl Drop for HandedOut {
    fn drop(&mut self) {
        if self.json.is_none() {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (jobs, job, attempt) = (self.jobs.clone(), self.job, self.attempt);
        runtime.spawn(async move {
            let released = FinishAttempt {
                ending: AttemptEnding::Released,
                error_kind: None,
                error: Some("the agent had gone when it was to get the job".to_owned()),
                exit_code: None,
            };
            if let Err(error) = jobs.finish(job, attempt, released).await {
                tracing::warn!(%error, job, "a job whose agent hung up waits for the end of its lease");
            }
        });
    }
}

impl IntoResponse for HandedOut {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::new(self));
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use shared::job::{JobKind, NewJob};
    use shared::lease::LeaseRequest;

    use super::*;
    use crate::store::Store;

    /// Jobs on an empty database, with one that waits.
    async fn one_job(folder: &std::path::Path) -> Jobs {
        let url = format!("sqlite://{}", folder.join("test.db").display());
        let store = Store::open(&url).await.unwrap();
        let jobs = Jobs::new(store, Duration::from_secs(30));
        let new = r#"{"username": "Steve", "source": {"type": "git", "url": "https://example.org/a.git"}}"#;
        let new: NewJob = serde_json::from_str(new).unwrap();
        jobs.create(new, JobKind::Job, None).await.unwrap();
        jobs
    }

    async fn lease(jobs: &Jobs) -> Option<Lease> {
        let request = LeaseRequest {
            agent: "agent-1".to_owned(),
            slots: 1,
            ..LeaseRequest::default()
        };
        jobs.lease(&request, None).await.unwrap()
    }

    #[tokio::test]
    async fn a_lease_that_was_not_sent_goes_back_into_the_queue() {
        let folder = tempfile::tempdir().unwrap();
        let jobs = one_job(folder.path()).await;
        let first = lease(&jobs).await.unwrap();
        drop(HandedOut::new(&first, jobs.clone()).into_response());
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        let second = loop {
            assert!(
                tokio::time::Instant::now() < deadline,
                "it did not come back"
            );
            match lease(&jobs).await {
                Some(second) => break second,
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        assert_eq!(second.job, first.job);
        assert_ne!(second.attempt, first.attempt);
    }

    #[tokio::test]
    async fn a_lease_that_was_sent_stays_with_its_agent() {
        let folder = tempfile::tempdir().unwrap();
        let jobs = one_job(folder.path()).await;
        let first = lease(&jobs).await.unwrap();
        let body = HandedOut::new(&first, jobs.clone()).into_response();
        let sent = axum::body::to_bytes(body.into_body(), usize::MAX).await;
        let sent: Lease = serde_json::from_slice(&sent.unwrap()).unwrap();
        assert_eq!(sent, first);
        tokio::time::sleep(Duration::from_millis(300)).await;
        jobs.heartbeat(first.job, first.attempt).await.unwrap();
        assert!(lease(&jobs).await.is_none());
    }
}
