//! HTTP to a task backend.

use std::future::Future;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::address::Address;
use super::error::BackendError;
use super::session::{Credentials, Session};

/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Most of an answer that is read: a task with as many names as it may have.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Most of a refusal that is told.
const ANSWER_CHARACTERS_SHOWN: usize = 300;

const LOGIN: &[&str] = &["api", "v1", "login"];
const REFRESH: &[&str] = &["api", "v1", "auth", "refresh"];
const AVAILABLE: &[&str] = &["api", "task", "available"];
const RESULT: &[&str] = &["api", "task", "result"];

/// A connection to one backend. One request at a time.
pub(super) struct Client {
    http: reqwest::Client,
    address: Address,
    credentials: Option<Credentials>,
    session: Session,
    runtime: Runtime,
}

/// A request, which may have to be sent twice.
#[derive(Clone, Copy)]
struct Request<'a> {
    method: &'a Method,
    place: &'a [&'a str],
    body: Option<&'a [u8]>,
}

struct Answer {
    status: StatusCode,
    retry_after: Option<Duration>,
    body: Vec<u8>,
}

impl Client {
    /// A client that logs in with `credentials` where there are some. Nothing is connected yet.
    pub(super) fn new(address: Address, credentials: Option<Credentials>) -> Result<Self, String> {
        // Somebody else in the process may have installed it; then there is one, and that is all.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .user_agent(concat!(
                "pytest-platform-worker/",
                env!("CARGO_PKG_VERSION")
            ))
            .redirect(reqwest::redirect::Policy::none())
            .timeout(TIMEOUT)
            .build()
            .map_err(|error| error.to_string())?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self {
            http,
            address,
            credentials,
            session: Session::default(),
            runtime,
        })
    }

    /// Asks for a task, unless `stopped` comes first. `None` means that there is none.
    pub(super) fn available(
        &mut self,
        stopped: impl Future<Output = ()>,
    ) -> Result<Option<Value>, BackendError> {
        let request = Request {
            method: &Method::GET,
            place: AVAILABLE,
            body: None,
        };
        let asked = authorised(
            &self.http,
            &self.address,
            self.credentials.as_ref(),
            &mut self.session,
            request,
        );
        let answer = self.runtime.block_on(async {
            tokio::select! {
                answer = asked => answer,
                () = stopped => Err(BackendError::Stopped),
            }
        })?;
        if matches!(
            answer.status,
            StatusCode::NOT_FOUND | StatusCode::NO_CONTENT
        ) {
            return Ok(None);
        }
        let body = answer.success()?;
        Ok(Some(parsed(&body)?).filter(|task| !task.is_null()))
    }

    /// Sends a result, unless it is given up. `Ok` means that the backend has it.
    pub(super) fn post_result(
        &mut self,
        body: &[u8],
        given_up: impl Future<Output = ()>,
    ) -> Result<(), BackendError> {
        let request = Request {
            method: &Method::POST,
            place: RESULT,
            body: Some(body),
        };
        let asked = authorised(
            &self.http,
            &self.address,
            self.credentials.as_ref(),
            &mut self.session,
            request,
        );
        let answer = self.runtime.block_on(async {
            tokio::select! {
                answer = asked => answer,
                () = given_up => Err(BackendError::Stopped),
            }
        })?;
        answer.success().map(drop)
    }

    /// Waits, unless `stopped` comes first.
    pub(super) fn wait(&self, pause: Duration, stopped: impl Future<Output = ()>) {
        self.runtime.block_on(async {
            // Either is a reason to go on.
            let _ = tokio::time::timeout(pause, stopped).await;
        });
    }
}

/// Sends a request with what a login gave. A 401 means that this is over: it is renewed once.
async fn authorised(
    http: &reqwest::Client,
    address: &Address,
    credentials: Option<&Credentials>,
    session: &mut Session,
    request: Request<'_>,
) -> Result<Answer, BackendError> {
    let Some(credentials) = credentials else {
        return send(http, address, None, request).await;
    };
    if session.access.is_none() {
        renew(http, address, credentials, session).await?;
    }
    let answer = send(http, address, session.access.as_ref(), request).await?;
    if answer.status != StatusCode::UNAUTHORIZED {
        return Ok(answer);
    }
    session.access = None;
    renew(http, address, credentials, session).await?;
    let answer = send(http, address, session.access.as_ref(), request).await?;
    if answer.status == StatusCode::UNAUTHORIZED {
        *session = Session::default();
    }
    Ok(answer)
}

/// Refreshes once, and logs in where that is not possible.
async fn renew(
    http: &reqwest::Client,
    address: &Address,
    credentials: &Credentials,
    session: &mut Session,
) -> Result<(), BackendError> {
    if let Some(refresh) = session.refresh.take() {
        let body = json!({"refreshToken": refresh});
        match tokens(http, address, REFRESH, &body).await {
            Ok(renewed) => {
                *session = renewed;
                return Ok(());
            }
            Err(error @ BackendError::Away(_)) => {
                session.refresh = Some(refresh);
                return Err(error);
            }
            // It is over, or the backend has no such thing.
            Err(_) => {}
        }
    }
    let body = json!({"username": credentials.login, "password": credentials.password});
    *session = match tokens(http, address, LOGIN, &body).await {
        Err(BackendError::Answered {
            status: 400 | 401 | 403 | 404 | 422,
            text,
            ..
        }) => return Err(BackendError::Refused(text)),
        answered => answered?,
    };
    Ok(())
}

async fn tokens(
    http: &reqwest::Client,
    address: &Address,
    place: &[&str],
    body: &Value,
) -> Result<Session, BackendError> {
    let body = body.to_string();
    let request = Request {
        method: &Method::POST,
        place,
        body: Some(body.as_bytes()),
    };
    let answer = send(http, address, None, request).await?.success()?;
    Session::of(&parsed(&answer)?)
}

async fn send(
    http: &reqwest::Client,
    address: &Address,
    authorization: Option<&HeaderValue>,
    request: Request<'_>,
) -> Result<Answer, BackendError> {
    let failed = |error| BackendError::of(&error, TIMEOUT);
    let url = address.below(request.place);
    let mut builder = http.request(request.method.clone(), url);
    if let Some(body) = request.body {
        builder = builder
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_vec());
    }
    if let Some(authorization) = authorization {
        builder = builder.header(AUTHORIZATION, authorization);
    }
    let mut answer = builder.send().await.map_err(failed)?;
    let retry_after = answer
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map(Duration::from_secs);
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_BYTES_MAX {
            let words = format!("it is longer than {ANSWER_BYTES_MAX} bytes");
            return Err(BackendError::NotUnderstood(words));
        }
    }
    Ok(Answer {
        status: answer.status(),
        retry_after,
        body,
    })
}

impl Answer {
    /// The body of an answer that says yes.
    fn success(self) -> Result<Vec<u8>, BackendError> {
        if self.status.is_success() {
            return Ok(self.body);
        }
        Err(BackendError::Answered {
            status: self.status.as_u16(),
            text: excerpt(&self.body),
            retry_after: self.retry_after,
        })
    }
}

fn parsed(body: &[u8]) -> Result<Value, BackendError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Null);
    }
    serde_json::from_slice(body)
        .map_err(|_| BackendError::NotUnderstood(format!("no JSON: {}", excerpt(body))))
}

fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown: String = line.chars().filter(|c| !c.is_control()).collect();
    let shown: String = shown.chars().take(ANSWER_CHARACTERS_SHOWN).collect();
    if shown.is_empty() {
        "(nothing)".to_owned()
    } else {
        shown
    }
}
