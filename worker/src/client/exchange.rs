//! Requests that are not about a run: what an agent says about its jobs.

use std::future::Future;
use std::io::Write;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use shared::error::Problem;

use super::{Client, SendError, below, explain, shown};

/// A request.
#[derive(Debug)]
pub struct Request<'a> {
    /// Parts of its path.
    pub place: &'a [&'a str],
    /// What follows the path.
    pub query: &'a [(&'a str, String)],
    /// What its body is, such as `application/json`.
    pub content_type: &'static str,
    /// Its body.
    pub body: Vec<u8>,
    /// Longest wait for the answer.
    pub timeout: Duration,
    /// Most of the answer that is read; more is a failure.
    pub answer_bytes_max: usize,
}

/// What was answered, whatever the status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The problem, where it is one.
    pub fn problem(&self) -> Option<Problem> {
        serde_json::from_slice(&self.body).ok()
    }
}

impl Client {
    /// Posts, unless `given_up` comes first.
    pub fn post(
        &self,
        request: Request,
        given_up: impl Future<Output = ()>,
    ) -> Result<Answer, SendError> {
        let bytes_max = request.answer_bytes_max;
        let timeout = request.timeout;
        let request = self
            .asking(Method::POST, request.place, request.query, timeout)
            .header(CONTENT_TYPE, request.content_type)
            .body(request.body);
        self.runtime.block_on(async {
            tokio::select! {
                answer = self.whole(request, timeout, bytes_max) => answer,
                () = given_up => Err(SendError::GivenUp { url: shown(&self.base) }),
            }
        })
    }

    /// Writes what is at this place to `to`, at most `bytes_max`.
    pub fn download(
        &self,
        place: &[&str],
        to: &mut impl Write,
        timeout: Duration,
        bytes_max: u64,
    ) -> Result<(), SendError> {
        let request = self.asking(Method::GET, place, &[], timeout);
        self.runtime.block_on(async {
            let failed = |error: reqwest::Error| self.failed(&error, timeout);
            let broken = |reason: String| SendError::Broken {
                url: shown(&self.base),
                reason,
            };
            let mut answer = request.send().await.map_err(failed)?;
            let status = answer.status();
            if !status.is_success() {
                let text = super::read(answer).await.map_err(failed)?;
                return Err(self.refused(status.as_u16(), &text));
            }
            let mut bytes = 0;
            while let Some(chunk) = answer.chunk().await.map_err(failed)? {
                bytes += chunk.len() as u64;
                if bytes > bytes_max {
                    return Err(broken(format!("more than {bytes_max} bytes")));
                }
                to.write_all(&chunk)
                    .map_err(|error| broken(error.to_string()))?;
            }
            Ok(())
        })
    }

    /// The failure that an answer is.
    pub fn refused(&self, status: u16, text: &[u8]) -> SendError {
        SendError::Answered {
            url: shown(&self.base),
            status,
            text: explain(status, text),
            retry_after: None,
        }
    }

    fn asking(
        &self,
        method: Method,
        place: &[&str],
        query: &[(&str, String)],
        timeout: Duration,
    ) -> reqwest::RequestBuilder {
        let mut url = below(&self.base, place);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self.http.request(method, url).timeout(timeout);
        match &self.token {
            Some(token) => request.bearer_auth(&token.0),
            None => request,
        }
    }

    async fn whole(
        &self,
        request: reqwest::RequestBuilder,
        timeout: Duration,
        bytes_max: usize,
    ) -> Result<Answer, SendError> {
        let failed = |error: reqwest::Error| self.failed(&error, timeout);
        let mut answer = request.send().await.map_err(failed)?;
        let status = answer.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            body.extend_from_slice(&chunk);
            if body.len() > bytes_max {
                return Err(SendError::NotAMaster {
                    url: shown(&self.base),
                });
            }
        }
        Ok(Answer { status, body })
    }
}
