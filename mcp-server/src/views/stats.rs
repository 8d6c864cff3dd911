//! Workers and most frequent failures, as JSON.

use schemars::JsonSchema;
use serde::Serialize;
use shared::answer::{FailureStat, WorkerSummary};

use super::{figures, moment};
use crate::untrusted;

/// A test and in how many runs it failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FailureCount {
    /// The test.
    pub nodeid: String,
    /// Runs in which it failed or had an error.
    pub fail_count: u64,
}

impl From<&FailureStat> for FailureCount {
    fn from(row: &FailureStat) -> Self {
        Self {
            nodeid: untrusted::model_id(&row.nodeid),
            fail_count: row.fail_count,
        }
    }
}

/// A worker and how its runs went.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Worker {
    /// Its name.
    pub worker_id: String,
    /// Runs it ever reported.
    pub run_count: u64,
    /// UTC.
    pub last_seen: String,
    /// Percent.
    pub avg_pass_rate: f64,
}

impl From<&WorkerSummary> for Worker {
    fn from(row: &WorkerSummary) -> Self {
        Self {
            worker_id: untrusted::model_id(&row.worker_id),
            run_count: row.run_count,
            last_seen: moment::machine(row.last_seen),
            avg_pass_rate: figures::round(row.avg_pass_rate),
        }
    }
}
