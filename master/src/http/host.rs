//! Protection against DNS rebinding: a web page whose name was pointed at 127.0.0.1 can make a
//! browser talk to a master on loopback, but the browser still sends the page's name as Host.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header;
use axum::http::uri::Authority;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::ApiError;
use crate::config::Config;

/// Names of the loopback itself.
const LOOPBACK_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Names that a request may be meant for; `None` when the listener is not on loopback, where the
/// master cannot know its names.
#[derive(Debug, Clone)]
pub(super) struct Allowed(Option<Arc<[String]>>);

impl Allowed {
    pub(super) fn new(config: &Config) -> Self {
        if !config.listen.ip().is_loopback() {
            return Self(None);
        }
        let names = LOOPBACK_NAMES.map(str::to_owned).into_iter();
        let bound = std::iter::once(match config.listen {
            std::net::SocketAddr::V4(address) => address.ip().to_string(),
            std::net::SocketAddr::V6(address) => format!("[{}]", address.ip()),
        });
        Self(Some(
            names
                .chain(bound)
                .chain(config.allowed_hosts.iter().cloned())
                .collect(),
        ))
    }

    fn allows(&self, host: &str) -> bool {
        let Some(names) = &self.0 else { return true };
        let Ok(authority) = host.parse::<Authority>() else {
            return false;
        };
        // The user part never belongs into a Host header.
        !host.contains('@')
            && names
                .iter()
                .any(|name| name.eq_ignore_ascii_case(authority.host()))
    }
}

/// Refuses requests that were meant for another name.
pub(super) async fn check(
    State(allowed): State<Allowed>,
    request: Request,
    next: Next,
) -> Response {
    let in_target = request.uri().authority().map(Authority::as_str);
    let in_header = request
        .headers()
        .get(header::HOST)
        .map(|value| value.to_str().unwrap_or(""));
    let host = in_target.or(in_header).unwrap_or("");
    if allowed.allows(host) {
        return next.run(request).await;
    }
    ApiError::host_not_allowed(host).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::CorsOrigins;

    fn allowed(listen: &str) -> Allowed {
        Allowed::new(&Config {
            listen: listen.parse().unwrap(),
            database_url: String::new(),
            cors: CorsOrigins::None,
            allowed_hosts: vec!["ci.example.org".into()],
            worker_silence_max: std::time::Duration::from_mins(2),
            keep_jobs: None,
            lease: std::time::Duration::from_secs(30),
            insecure_allow_anonymous: false,
            tests_dir: None,
            tls: None,
            timeouts: crate::config::Timeouts::default(),
        })
    }

    #[test]
    fn a_loopback_listener_answers_to_loopback_names_only() {
        let allowed = allowed("127.0.0.1:8080");
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1:1",
            "[::1]:8080",
            "ci.example.org",
        ] {
            assert!(allowed.allows(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "localhost@evil.example",
            "::1",
        ] {
            assert!(!allowed.allows(host), "{host}");
        }
    }

    #[test]
    fn another_listener_answers_to_every_name() {
        assert!(allowed("0.0.0.0:8080").allows("master.internal"));
    }
}
