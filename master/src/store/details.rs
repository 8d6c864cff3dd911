//! What only the answer about one run needs: packed JSON at the end of its body.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shared::run::{Ci, Problem};

use super::{StoreError, texts};

/// Everything that a run says about itself and that no list shows. Times are microseconds since
/// 1970. What has its default is not written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Details {
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) exit_code: Option<i32>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) signal: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) unfinished: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) collected: Option<u64>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) deselected: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) reported: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) xfailed: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) xpassed: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) rerun: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) subtests_passed: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) subtests_failed: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) collection_errors: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) collection_skips: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) running: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) running_count: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) not_run: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) not_run_count: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) problems: Vec<Problem>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) log_tail: String,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) dirty: Option<bool>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) variant: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) python: String,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) pytest: String,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) platform: String,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) plugins: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) command: String,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) ci: Option<Ci>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) started_us: Option<i64>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) finished_us: Option<i64>,
}

impl Details {
    /// The bytes to store, before they are packed by [`texts::pack`].
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, StoreError> {
        serde_json::to_vec(self).map_err(|error| StoreError::damaged("details", error))
    }

    /// Reads what is stored of a run.
    pub(crate) fn unpack(packed: &[u8]) -> Result<Self, StoreError> {
        serde_json::from_slice(&texts::unpack(packed)?)
            .map_err(|error| StoreError::damaged("details", error))
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
