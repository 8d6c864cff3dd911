//! Unpacks a body, at most as much as a body may have.

use std::borrow::Cow;
use std::io::Read;

use shared::limits::BODY_BYTES_MAX;

use super::headers::Packing;
use crate::http::error::ApiError;

/// Largest zstd window, as a power of two: 8 MiB, what every decoder must offer (RFC 8878) and no
/// encoder exceeds unless told to.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// How much is set aside at first for what comes out, as a multiple of what goes in.
const USUAL_RATIO: usize = 8;

/// The bytes as they were before packing. A bomb costs no more than the largest body.
pub(super) fn expand(bytes: &[u8], packing: Packing) -> Result<Cow<'_, [u8]>, ApiError> {
    let (name, expanded) = match packing {
        Packing::Identity => return Ok(Cow::Borrowed(bytes)),
        Packing::Gzip => (
            "gzip",
            read(flate2::read::MultiGzDecoder::new(bytes), bytes.len()),
        ),
        Packing::Zstd => (
            "zstd",
            zstd_decoder(bytes).and_then(|decoder| read(decoder, bytes.len())),
        ),
    };
    let expanded = expanded.map_err(|error| {
        let detail = format!("the body is not {name}, as its Content-Encoding says: {error}");
        ApiError::malformed("invalid_encoding", detail)
    })?;
    if expanded.len() > BODY_BYTES_MAX {
        return Err(ApiError::body_too_large());
    }
    Ok(Cow::Owned(expanded))
}

fn zstd_decoder(bytes: &[u8]) -> std::io::Result<impl Read> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
    Ok(decoder)
}

fn read(decoder: impl Read, packed_bytes: usize) -> std::io::Result<Vec<u8>> {
    let usual = packed_bytes.saturating_mul(USUAL_RATIO).min(BODY_BYTES_MAX);
    let mut expanded = Vec::with_capacity(usual);
    decoder
        .take(BODY_BYTES_MAX as u64 + 1)
        .read_to_end(&mut expanded)?;
    Ok(expanded)
}
