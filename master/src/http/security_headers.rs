//! Headers that tell browsers to trust an answer with nothing.

use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

/// JSON has no business loading anything.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// Adds the headers; an answer with a policy of its own keeps it.
pub(super) async fn add(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(POLICY);
    response
}

/// Half a year of https only, once it was spoken.
const HTTPS_ONLY: HeaderValue = HeaderValue::from_static("max-age=15768000");

/// Tells browsers to come with https from now on, where it is spoken. Not under the name `localhost`, which every
/// other program on the machine has as well, on other ports.
pub(super) async fn add_https_only(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    let is_local = host.split(':').next() == Some("localhost");
    let mut response = next.run(request).await;
    if !is_local {
        let headers = response.headers_mut();
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HTTPS_ONLY);
    }
    response
}
