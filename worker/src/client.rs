//! HTTP to the master.

mod exchange;

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use shared::answer::Saved;
use shared::error::Problem;
use shared::status::RunStatus;
use shared::stream::Streaming;
use tokio::runtime::Runtime;
use url::{Host, Url};

use crate::config::Token;

pub use exchange::{Answer, Request};

/// Most of an answer that is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Most of an answer in another form than ours that is shown.
const ANSWER_CHARACTERS_SHOWN: usize = 200;

/// How a complaint ends about an answer that is no TLS.
const NO_TLS: &str = "InvalidContentType";

/// Compression of a body. Level 1 halves the time of 3, and loses little on JSON.
const ZSTD_LEVEL: i32 = 1;

/// Why a request was not answered with success.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The address is none.
    #[error("`{url}` is no URL of a master ({reason}); check MASTER_URL")]
    BadUrl {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The token cannot be part of a request.
    #[error("MASTER_TOKEN has a character that no header can carry, such as a line break")]
    BadToken,
    /// Nobody was reached.
    #[error("cannot connect to {url} ({reason}); is the master running, is MASTER_URL right?")]
    Unreachable {
        /// The master's address.
        url: String,
        /// In the system's words.
        reason: String,
    },
    /// No answer within the time there was.
    #[error("{url} did not answer within {seconds:.1} s")]
    TimedOut {
        /// The master's address.
        url: String,
        /// The time there was.
        seconds: f64,
    },
    /// The connection broke.
    #[error("the connection to {url} broke ({reason})")]
    Broken {
        /// The master's address.
        url: String,
        /// In the system's words.
        reason: String,
    },
    /// The master refused, or failed.
    #[error("{url} answered {status}: {text}")]
    Answered {
        /// The master's address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What it said.
        text: String,
        /// How long it asked us to wait.
        retry_after: Option<Duration>,
    },
    /// It was given up before it was answered, because something else is more urgent.
    #[error("the request to {url} was given up")]
    GivenUp {
        /// The master's address.
        url: String,
    },
    /// The answer is about something else than what was asked.
    #[error("{url} answered for another run: this is no pytest-platform master")]
    NotAMaster {
        /// The master's address.
        url: String,
    },
    /// The master has other batches of the run than were sent.
    #[error("the master has {theirs} batches of the run, {ours} were sent")]
    Disagrees {
        /// What it counts.
        theirs: u64,
        /// What we count.
        ours: u64,
    },
    /// The system gave no client.
    #[error("cannot make an HTTP client: {0}")]
    Client(String),
}

impl SendError {
    /// Whether the same request may succeed later.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::BadUrl { .. }
            | Self::BadToken
            | Self::NotAMaster { .. }
            | Self::Disagrees { .. }
            | Self::Client(_) => false,
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Broken { .. }
            | Self::GivenUp { .. } => true,
            Self::Answered { status, .. } => *status >= 500 || matches!(*status, 408 | 425 | 429),
        }
    }

    /// Whether there was nobody to talk to.
    pub const fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// Whether the master was there and said nothing.
    pub const fn is_silence(&self) -> bool {
        matches!(self, Self::TimedOut { .. } | Self::GivenUp { .. })
    }

    /// How long the master asked us to wait.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Answered { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// A connection to one master, kept open from one request to the next. One request at a time.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    token: Option<Token>,
    /// Of this thread only: no further thread is started, and a request can be given up.
    runtime: Runtime,
}

/// As much of a stored run as tells whose it is and whether it is all there.
#[derive(Debug, Deserialize)]
struct Stored {
    worker_id: String,
    status: RunStatus,
}

/// What can be asked of a master about a run that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamCall {
    /// Opens the run.
    Open,
    /// Appends a batch, or says that the worker lives.
    Cases,
}

impl Client {
    /// A client for the master at `url`. Nothing is connected yet.
    pub fn new(url: &str, token: Option<Token>) -> Result<Self, SendError> {
        let base = parse(url)?;
        if let Some(token) = &token {
            HeaderValue::from_bytes(token.0.as_bytes()).map_err(|_| SendError::BadToken)?;
        }
        // Somebody else in the process may have installed it; then there is one, and that is all.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .user_agent(concat!(
                "pytest-platform-worker/",
                env!("CARGO_PKG_VERSION")
            ))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| SendError::Client(innermost(&error)))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| SendError::Client(error.to_string()))?;
        Ok(Self {
            http,
            base,
            token,
            runtime,
        })
    }

    /// What to say when `run_id` is not what an answer is about: something that only looks like a
    /// master gave it.
    pub fn about(&self, answered: &str, run_id: &str) -> Result<(), SendError> {
        if answered == run_id {
            Ok(())
        } else {
            Err(SendError::NotAMaster {
                url: shown(&self.base),
            })
        }
    }

    /// Posts a whole run, as compressed JSON. Answers when the master has it durable.
    pub fn post_run(&self, compressed: &[u8], timeout: Duration) -> Result<Saved, SendError> {
        let url = below(&self.base, &["results"]);
        self.call(
            Method::POST,
            url,
            compressed,
            timeout,
            std::future::pending(),
        )
    }

    /// Opens a run or adds to it, unless `given_up` comes first.
    pub fn stream(
        &self,
        call: StreamCall,
        run_id: &str,
        compressed: &[u8],
        timeout: Duration,
        given_up: impl Future<Output = ()>,
    ) -> Result<Streaming, SendError> {
        let (method, place) = match call {
            StreamCall::Open => (Method::PUT, &["results", run_id][..]),
            StreamCall::Cases => (Method::POST, &["results", run_id, "cases"][..]),
        };
        let url = below(&self.base, place);
        self.call(method, url, compressed, timeout, given_up)
    }

    /// Finishes a run that was streamed.
    pub fn finish_run(
        &self,
        run_id: &str,
        compressed: &[u8],
        timeout: Duration,
    ) -> Result<Saved, SendError> {
        let url = below(&self.base, &["results", run_id, "finish"]);
        self.call(
            Method::POST,
            url,
            compressed,
            timeout,
            std::future::pending(),
        )
    }

    /// Whether the master has this run of this worker, and no longer waits for the rest of it.
    pub fn has_whole(&self, run_id: &str, worker_id: &str, timeout: Duration) -> bool {
        let url = below(&self.base, &["results", run_id]);
        let nothing = std::future::pending();
        let run: Result<Stored, _> = self.call(Method::GET, url, &[], timeout, nothing);
        run.is_ok_and(|run| {
            let open = matches!(run.status, RunStatus::Running | RunStatus::Lost);
            run.worker_id == worker_id && !open
        })
    }

    fn call<A: DeserializeOwned>(
        &self,
        method: Method,
        url: Url,
        compressed: &[u8],
        timeout: Duration,
        given_up: impl Future<Output = ()>,
    ) -> Result<A, SendError> {
        let mut request = self
            .http
            .request(method, url)
            .timeout(timeout)
            .header(CONTENT_TYPE, "application/json")
            .header(CONTENT_ENCODING, "zstd")
            .body(compressed.to_vec());
        if let Some(token) = &self.token {
            request = request.bearer_auth(&token.0);
        }
        self.runtime.block_on(async {
            tokio::select! {
                answer = self.answer(request, timeout) => answer,
                () = given_up => Err(SendError::GivenUp { url: shown(&self.base) }),
            }
        })
    }

    async fn answer<A: DeserializeOwned>(
        &self,
        request: reqwest::RequestBuilder,
        timeout: Duration,
    ) -> Result<A, SendError> {
        let answer = request
            .send()
            .await
            .map_err(|error| self.failed(&error, timeout))?;
        let status = answer.status();
        let retry_after = answer
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs);
        let text = read(answer)
            .await
            .map_err(|error| self.failed(&error, timeout))?;
        let answered = |text, retry_after| SendError::Answered {
            url: shown(&self.base),
            status: status.as_u16(),
            text,
            retry_after,
        };
        if status.is_success() {
            return serde_json::from_slice(&text).map_err(|_| {
                let words = format!("this is no pytest-platform master: {}", excerpt(&text));
                answered(words, None)
            });
        }
        Err(answered(explain(status.as_u16(), &text), retry_after))
    }

    fn failed(&self, error: &reqwest::Error, timeout: Duration) -> SendError {
        let (url, mut reason) = (shown(&self.base), innermost(error));
        if reason.ends_with(NO_TLS) {
            reason.replace_range(.., "it does not speak https; should it be http://?");
        }
        if error.is_timeout() {
            let seconds = timeout.as_secs_f64();
            SendError::TimedOut { url, seconds }
        } else if error.is_connect() {
            SendError::Unreachable { url, reason }
        } else {
            SendError::Broken { url, reason }
        }
    }
}

/// Where a run is to be found, for people.
pub fn link(master_url: &str, run_id: &str) -> String {
    match parse(master_url) {
        Ok(base) => shown(&below(&base, &["results", run_id])),
        Err(_) => run_id.to_owned(),
    }
}

/// The address of a master without what it may hold of a password.
pub fn address(master_url: &str) -> String {
    parse(master_url).map_or_else(|_| master_url.trim().to_owned(), |base| shown(&base))
}

/// Whether both addresses lead to the same host. Port and scheme may change with the years; this
/// machine has many names.
pub fn is_same_host(one: &str, other: &str) -> bool {
    let host = |url: &str| {
        // An address that lacked its scheme could never be used, and is mended by now.
        let url = parse(url)
            .or_else(|_| parse(&format!("http://{url}")))
            .ok()?;
        let is_local = match url.host()? {
            Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        };
        Some(if is_local {
            "localhost".to_owned()
        } else {
            url.host_str()?.to_owned()
        })
    };
    host(one) == host(other)
}

/// Compresses a body.
pub fn compress(json: &[u8]) -> std::io::Result<Vec<u8>> {
    zstd::bulk::compress(json, ZSTD_LEVEL)
}

fn parse(text: &str) -> Result<Url, SendError> {
    let bad = |reason: &str| SendError::BadUrl {
        url: text.to_owned(),
        reason: reason.to_owned(),
    };
    let without_scheme = "it has to start with http:// or https://";
    let url = Url::parse(text.trim()).map_err(|error| match error {
        url::ParseError::RelativeUrlWithoutBase => bad(without_scheme),
        error => bad(&error.to_string()),
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad(without_scheme));
    }
    Ok(url)
}

fn below(base: &Url, place: &[&str]) -> Url {
    let mut url = base.clone();
    url.set_query(None);
    url.set_fragment(None);
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(place);
    }
    url
}

/// The address without what it may hold of a password.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Neither can fail for http and https.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.as_str().trim_end_matches('/').to_owned()
}

/// The beginning of an answer, which is all of it when it is a master's.
async fn read(mut answer: reqwest::Response) -> reqwest::Result<Vec<u8>> {
    let mut text = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        text.extend_from_slice(&chunk);
        if text.len() >= ANSWER_BYTES_MAX {
            text.truncate(ANSWER_BYTES_MAX);
            break;
        }
    }
    Ok(text)
}

fn explain(status: u16, text: &[u8]) -> String {
    let said = match serde_json::from_slice::<Problem>(text) {
        Ok(Problem {
            detail,
            field: Some(field),
            ..
        }) if !detail.contains(&field) => format!("{field}: {detail}"),
        Ok(problem) => problem.detail,
        Err(_) => excerpt(text),
    };
    match status {
        401 | 403 => format!("{said} (check MASTER_TOKEN)"),
        404 | 405 => format!("{said} (check MASTER_URL)"),
        409 => format!("{said} (this run id was already used for other results; see --run-id)"),
        300..=399 => format!("{said} (the master has moved; check MASTER_URL)"),
        _ => said,
    }
}

fn excerpt(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown: String = line.chars().filter(|c| !c.is_control()).collect();
    let shown: String = shown.chars().take(ANSWER_CHARACTERS_SHOWN).collect();
    if shown.is_empty() {
        "(nothing)".to_owned()
    } else {
        shown
    }
}

/// The cause at the bottom, such as `Connection refused (os error 111)`; those above it repeat the
/// address.
fn innermost(error: &dyn Error) -> String {
    let mut bottom = error;
    while let Some(source) = bottom.source() {
        bottom = source;
    }
    bottom.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_has_no_password_and_escapes_the_id() {
        assert_eq!(
            link("http://user:secret@host:1/base/", "a b/c"),
            "http://host:1/base/results/a%20b%2Fc"
        );
        assert_eq!(link("http://h", "r"), "http://h/results/r");
    }

    #[test]
    fn a_host_is_the_same_under_another_port_and_this_machine_under_any_of_its_names() {
        assert!(is_same_host("https://h:1/a", "http://H"));
        assert!(is_same_host("http://localhost:8080", "http://[::1]:9"));
        assert!(is_same_host("http://127.0.0.1:1", "http://127.0.0.2:2"));
        assert!(is_same_host("localhost:8080", "http://localhost:8080"));
        assert!(is_same_host("h:1", "https://h") && !is_same_host("h:1", "https://i"));
        assert!(!is_same_host(
            "http://localhost",
            "http://master.example.org"
        ));
        assert_eq!(address("http://u:secret@h:1/"), "http://h:1");
    }

    #[test]
    fn an_address_that_is_none_is_named_with_the_reason() {
        for url in ["", "localhost:8080", "ftp://h", "http://", "::"] {
            let error = Client::new(url, None).expect_err(url);
            assert!(!error.is_transient());
            assert!(error.to_string().contains("MASTER_URL"), "{error}");
        }
    }

    #[test]
    fn a_token_that_no_header_can_carry_is_named() {
        let error = Client::new("http://h", Some(Token("a\nb".into()))).unwrap_err();
        assert!(!error.is_transient());
        assert!(error.to_string().contains("MASTER_TOKEN"), "{error}");
        assert!(Client::new("http://h", Some(Token("käse".into()))).is_ok());
    }

    #[test]
    fn refusals_are_final_and_failures_of_the_server_are_not() {
        let answered = |status| SendError::Answered {
            url: String::new(),
            status,
            text: String::new(),
            retry_after: None,
        };
        for status in [400, 401, 409, 413, 422] {
            assert!(!answered(status).is_transient(), "{status}");
        }
        for status in [429, 500, 502, 503] {
            assert!(answered(status).is_transient(), "{status}");
        }
    }

    #[test]
    fn the_masters_own_words_are_told() {
        let problem = br#"{"status":422,"title":"t","detail":"must be positive","code":"invalid_field","field":"duration"}"#;
        assert_eq!(explain(422, problem), "duration: must be positive");
        assert_eq!(
            explain(502, b"<html>\n bad\x07 gateway"),
            "<html> bad gateway"
        );
        assert_eq!(explain(500, b""), "(nothing)");
    }
}
