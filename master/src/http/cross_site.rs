//! Protection against pages of other origins: a browser lets them send simple requests without asking,
//! and a master on loopback may ask nobody who comes.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::ApiError;
use super::intake;
use crate::config::{Config, CorsOrigins};

/// What a browser says of where a request comes from; pages cannot forge it.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The one question that changes something.
const TAKING: &str = "/api/task/available";

/// Whose pages may change something.
#[derive(Debug, Clone)]
pub(super) struct Trusted(Arc<CorsOrigins>);

impl Trusted {
    pub(super) fn new(config: &Config) -> Self {
        Self(Arc::new(config.cors.clone()))
    }

    /// The origin that a request comes from, when it is one whose pages may not do this.
    fn stranger(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<String> {
        let is_question = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        if is_question && uri.path() != TAKING {
            return None;
        }
        let origin = headers.get(header::ORIGIN);
        let is_own = match headers.get(FETCH_SITE).map(HeaderValue::as_bytes) {
            // Typed by a person, or a page of the master itself.
            Some(b"none" | b"same-origin") => true,
            Some(_) => false,
            None => origin.is_none_or(|origin| is_of_host(origin, headers)),
        };
        if is_own || self.trusts(origin) {
            return None;
        }
        let origin = origin.and_then(|origin| origin.to_str().ok());
        Some(origin.unwrap_or("another site").to_owned())
    }

    fn trusts(&self, origin: Option<&HeaderValue>) -> bool {
        match &*self.0 {
            CorsOrigins::None => false,
            CorsOrigins::Listed(listed) => origin.is_some_and(|origin| listed.contains(origin)),
            CorsOrigins::Any => true,
        }
    }
}

/// Whether an origin is that of the host which the request is for, whatever its scheme: a proxy may have
/// taken that away.
fn is_of_host(origin: &HeaderValue, headers: &HeaderMap) -> bool {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok();
    let authority = origin.and_then(|origin| origin.split_once("://"));
    authority
        .zip(host)
        .is_some_and(|((_, authority), host)| authority.eq_ignore_ascii_case(host))
}

/// Refuses what pages of other origins want to change.
pub(super) async fn check(
    State(trusted): State<Trusted>,
    request: Request,
    next: Next,
) -> Response {
    match trusted.stranger(request.method(), request.uri(), request.headers()) {
        None => next.run(request).await,
        Some(origin) => {
            intake::discard(request).await;
            ApiError::page_of_other_origin(&origin).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(cors: CorsOrigins, method: &Method, path: &str, given: &[(&str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("localhost:8080"));
        for (name, value) in given {
            let name: HeaderName = name.parse().unwrap();
            headers.insert(name, value.parse().unwrap());
        }
        let uri = path.parse().unwrap();
        let trusted = Trusted(Arc::new(cors));
        trusted.stranger(method, &uri, &headers).is_some()
    }

    #[test]
    fn programs_and_own_pages_change_things_and_other_pages_do_not() {
        let cancel = "/jobs/1/cancel";
        for (given, expected) in [
            (&[][..], false),
            (&[("origin", "http://localhost:8080")], false),
            (&[("origin", "https://LOCALHOST:8080")], false),
            (&[("origin", "http://localhost:9090")], true),
            (&[("origin", "https://evil.example")], true),
            (&[("origin", "null")], true),
            (&[("sec-fetch-site", "same-origin")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "same-site")], true),
            (&[("sec-fetch-site", "cross-site")], true),
            (
                &[
                    ("sec-fetch-site", "same-origin"),
                    ("origin", "https://ci.example.org"),
                ],
                false,
            ),
        ] {
            let is_refused = is_refused(CorsOrigins::None, &Method::POST, cancel, given);
            assert_eq!(is_refused, expected, "{given:?}");
        }
        let listed = CorsOrigins::Listed(vec![HeaderValue::from_static("https://a.example")]);
        let from = |origin| [("sec-fetch-site", "cross-site"), ("origin", origin)];
        assert!(!is_refused(
            listed.clone(),
            &Method::POST,
            cancel,
            &from("https://a.example")
        ));
        assert!(is_refused(
            listed,
            &Method::POST,
            cancel,
            &from("https://b.example")
        ));
        assert!(!is_refused(
            CorsOrigins::Any,
            &Method::POST,
            cancel,
            &from("https://b.example")
        ));
    }

    #[test]
    fn questions_are_for_everybody_but_the_one_that_takes_a_task() {
        let from = [("sec-fetch-site", "cross-site")];
        for (path, expected) in [("/results", false), ("/jobs/1/log", false), (TAKING, true)] {
            let is_refused = is_refused(CorsOrigins::None, &Method::GET, path, &from);
            assert_eq!(is_refused, expected, "{path}");
        }
        assert!(!is_refused(
            CorsOrigins::None,
            &Method::OPTIONS,
            "/jobs",
            &from
        ));
    }
}
