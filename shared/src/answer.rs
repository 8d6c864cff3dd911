//! Small answers of the master.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Answer to `POST /results`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Saved {
    /// The id that the client sent.
    pub run_id: String,
    /// Always `saved`; the answer comes after the run is durable.
    pub status: String,
}

/// One point of `GET /trend`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TrendPoint {
    /// When the run was.
    #[serde(with = "crate::time::required")]
    pub timestamp: DateTime<Utc>,
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
    /// All tests.
    pub total: u64,
    /// `passed` of `total`, in percent.
    pub pass_rate: f64,
    /// Who ran it.
    pub worker_id: String,
    /// Which run it was.
    #[serde(default)]
    pub run_id: String,
    /// Errors in setup, teardown and collection.
    #[serde(default)]
    pub error: u64,
    /// Seconds.
    #[serde(default)]
    pub duration: f64,
    /// The verdict, such as `failed` or `crashed`.
    #[serde(default)]
    pub status: String,
    /// Branch of the run.
    #[serde(default)]
    pub branch: String,
}

/// One row of `GET /workers`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WorkerSummary {
    /// The worker's own name.
    pub worker_id: String,
    /// Runs it ever reported.
    pub run_count: u64,
    /// When its last run was received.
    #[serde(with = "crate::time::required")]
    pub last_seen: DateTime<Utc>,
    /// Mean of its runs' pass rates, in percent.
    pub avg_pass_rate: f64,
}

/// One row of `GET /failures/stats`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FailureStat {
    /// The test.
    pub nodeid: String,
    /// In how many runs it failed or had an error.
    pub fail_count: u64,
}

/// One row of `GET /projects`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProjectSummary {
    /// The project's name, as its runs gave it.
    pub project: String,
    /// Runs of it.
    pub run_count: u64,
}

/// Answer to `GET /health`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Health {
    /// `ok`.
    pub status: String,
}
