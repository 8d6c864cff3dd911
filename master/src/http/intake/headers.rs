//! What the headers of a request say about its body.

use axum::http::{HeaderMap, header};

use crate::http::error::ApiError;

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    /// Not at all.
    Identity,
    /// `Content-Encoding: gzip`.
    Gzip,
    /// `Content-Encoding: zstd`.
    Zstd,
}

/// Checks media type, packing and announced length, before a byte of the body is read.
pub(super) fn check(headers: &HeaderMap, bytes_max: usize) -> Result<Packing, ApiError> {
    media_type(headers)?;
    let packing = packing(headers)?;
    length(headers, bytes_max)?;
    Ok(packing)
}

/// Checks packing and announced length of a body that may be anything; it is taken as it comes.
pub(super) fn check_piece(headers: &HeaderMap, bytes_max: usize) -> Result<(), ApiError> {
    if packing(headers)? != Packing::Identity {
        return Err(ApiError::unsupported_encoding(
            "this body is taken as it is; send it without Content-Encoding",
        ));
    }
    length(headers, bytes_max)
}

fn length(headers: &HeaderMap, bytes_max: usize) -> Result<(), ApiError> {
    match announced_length(headers) {
        Some(bytes) if bytes > bytes_max as u64 => Err(ApiError::body_larger_than(bytes_max)),
        _ => Ok(()),
    }
}

/// `Content-Length`, when there is one.
pub(super) fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

/// Only JSON that calls itself JSON: a web page of another origin cannot send that without asking
/// first, but it can send a body without a type.
fn media_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let way_out = "send the header `Content-Type: application/json` (curl: --json @FILE)";
    let Some(given) = headers.get(header::CONTENT_TYPE) else {
        return Err(ApiError::unsupported_media_type(format!(
            "there is no Content-Type; {way_out}"
        )));
    };
    let given = given.to_str().unwrap_or("");
    let essence = given.split(';').next().unwrap_or("").trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(ApiError::unsupported_media_type(format!(
        "`{essence}` is not understood; {way_out}"
    )))
}

fn packing(headers: &HeaderMap) -> Result<Packing, ApiError> {
    let mut packings = headers.get_all(header::CONTENT_ENCODING).iter();
    let first = packings
        .next()
        .map(|value| value.to_str().unwrap_or("").trim().to_ascii_lowercase());
    if packings.next().is_some() {
        return Err(ApiError::unsupported_encoding(
            "only one Content-Encoding is taken",
        ));
    }
    match first.as_deref() {
        None | Some("" | "identity") => Ok(Packing::Identity),
        Some("gzip" | "x-gzip") => Ok(Packing::Gzip),
        Some("zstd") => Ok(Packing::Zstd),
        Some(other) => Err(ApiError::unsupported_encoding(format!(
            "Content-Encoding `{other}` is not understood; gzip, zstd and identity are, one at a time"
        ))),
    }
}
