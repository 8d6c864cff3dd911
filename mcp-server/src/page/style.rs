//! The style sheet, its hash for the content security policy, and the page's icon.

use std::sync::LazyLock;

use base64::Engine as _;
use sha2::Digest as _;

use crate::views::verdict::Tone;

/// What stands between the style tags, to the byte.
pub(super) const SHEET: &str = include_str!("../../templates/report.css");

/// The hash that lets exactly this sheet through the policy.
pub(super) fn hash() -> &'static str {
    static HASH: LazyLock<String> = LazyLock::new(|| {
        let digest = sha2::Sha256::digest(SHEET.as_bytes());
        base64::engine::general_purpose::STANDARD.encode(digest)
    });
    &HASH
}

/// A dot in the colour of the verdict, as an address: no file, no request.
pub(super) fn icon(tone: Tone) -> String {
    let colour = match tone {
        Tone::Good => "1a7f4b",
        Tone::Bad => "c0322b",
        Tone::Broken => "7a3fb5",
        Tone::Gap => "a86a00",
        Tone::Idle => "6b7280",
        Tone::Live => "1f6feb",
    };
    format!(
        "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E\
         %3Ccircle cx='8' cy='8' r='7' fill='%23{colour}'/%3E%3C/svg%3E"
    )
}
