//! JSON answers that a client can ask for again at no cost: `ETag` and 304.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::error::ApiError;

/// What the client has already: the `If-None-Match` header of its request.
#[derive(Debug, Clone, Default)]
pub(super) struct Known(Vec<String>);

impl<S: Sync> FromRequestParts<S> for Known {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let lines = parts.headers.get_all(header::IF_NONE_MATCH).iter();
        Ok(Self(
            lines
                .filter_map(|line| line.to_str().ok())
                .map(str::to_owned)
                .collect(),
        ))
    }
}

impl Known {
    /// Weak comparison, as RFC 9110 wants it here. The tags made here contain no comma.
    fn covers(&self, tag: &str) -> bool {
        let mut tags = self
            .0
            .iter()
            .flat_map(|line| line.split(','))
            .map(str::trim);
        tags.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
    }

    /// Answers with the value as JSON, or with 304 when the client has it. The tag is a hash of the
    /// body before compression.
    pub(super) fn answer(&self, value: &impl Serialize) -> Result<Response, ApiError> {
        let body = serde_json::to_vec(value).map_err(ApiError::internal)?;
        Ok(self.answer_bytes(body, "application/json"))
    }

    /// The same for a body that is ready.
    pub(super) fn answer_bytes(
        &self,
        body: impl Into<Body> + AsRef<[u8]>,
        kind: &'static str,
    ) -> Response {
        let tag = tag(body.as_ref());
        let mut response = if self.covers(&tag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let mut response = Response::new(body.into());
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            response
        };
        add_caching(response.headers_mut(), &tag);
        response
    }
}

/// An answer that nobody may keep: it is a secret, or about whoever asks.
pub(super) fn unkept(answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn tag(body: &[u8]) -> String {
    let hash = blake3::hash(body).to_hex();
    format!("\"{}\"", &hash[..32])
}

/// A browser may keep the answer, and asks whether it still holds each time.
fn add_caching(headers: &mut HeaderMap, tag: &str) {
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_in_every_form_of_the_header() {
        let tag = tag(b"[]");
        let known = |line: &str| Known(vec![line.to_owned()]);
        for line in [
            tag.clone(),
            format!("W/{tag}"),
            format!("\"other\", {tag}"),
            "*".into(),
        ] {
            assert!(known(&line).covers(&tag), "{line}");
        }
        assert!(!known("\"other\"").covers(&tag));
        assert!(!Known::default().covers(&tag));
    }
}
