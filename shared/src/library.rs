//! The master's test library: files on its file system that jobs can be made of.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A file, as `GET /library` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LibraryFile {
    /// Relative to the library, parts separated by `/`.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// When it was changed last.
    pub modified_at: DateTime<Utc>,
    /// Whether pytest collects it by its name: `test_*.py` or `*_test.py`.
    pub is_test: bool,
}

/// Answer to an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Uploaded {
    /// Relative to the library.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Hash of its content: BLAKE3, hexadecimal.
    pub hash: String,
    /// `created`, `replaced` or `unchanged`.
    pub status: String,
}

/// One content that a file had, as `GET /library/{path}?versions=true` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LibraryVersion {
    /// Hash of the content: BLAKE3, hexadecimal.
    pub hash: String,
    /// Its size.
    pub bytes: u64,
    /// When it was uploaded.
    pub uploaded_at: DateTime<Utc>,
    /// Who did: the name of a token or an account, empty when nobody was asked.
    pub uploaded_by: String,
}

/// Answer to `POST /archives`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Archived {
    /// What a job's source names.
    pub archive: String,
    /// Its size, packed.
    pub bytes: u64,
    /// `zip`, `tar.gz` or `tar.zst`, by its first bytes.
    pub format: String,
}
