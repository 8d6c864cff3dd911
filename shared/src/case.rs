//! One test's result in one run: as it is sent, and as it is answered.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::outcome::Outcome;

/// A case as a client sends it inside a run. `nodeid` and `outcome` are enough.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewCase {
    /// pytest's id of the test. One case per nodeid in a run.
    pub nodeid: String,
    /// The worst of `outcomes`, or `crashed` or `timeout` for a test that was running when its
    /// process died.
    pub outcome: Outcome,
    /// What pytest counted for the test, in order; absent means just `outcome`.
    #[serde(
        default,
        deserialize_with = "crate::bounded::outcomes",
        skip_serializing_if = "Option::is_none"
    )]
    pub outcomes: Option<Vec<Outcome>>,
    /// Seconds, all phases of all attempts. Absent means the sum of the phases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<f64>,
    /// Seconds in setup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup: Option<f64>,
    /// Seconds in the test itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<f64>,
    /// Seconds in teardown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teardown: Option<f64>,
    /// How often it was tried within one execution (1 without reruns).
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub attempts: u32,
    /// How often the session ran it (more than 1 when an id occurs more than once).
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub executions: u32,
    /// When its first setup started.
    #[serde(
        default,
        with = "crate::time::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub started_at: Option<DateTime<Utc>>,
    /// Source file, relative to pytest's rootdir.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line of its definition, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Names of its markers, without arguments.
    #[serde(
        default,
        deserialize_with = "crate::bounded::markers",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub markers: Vec<String>,
    /// The xdist worker that ran it, such as `gw0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xdist_worker: Option<String>,
    /// Peak memory while it ran, where that was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_peak_kib: Option<u64>,
    /// One text that says why: of the worst failure, or the reason of a skip or expected failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Subtests that passed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub subtests_passed: u32,
    /// Subtests that failed; one is enough to make the case `failed`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub subtests_failed: u32,
    /// Subtests that were skipped.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub subtests_skipped: u32,
    /// Everything that went wrong in it, attempts before the last included.
    #[serde(
        default,
        deserialize_with = "crate::bounded::case_failures",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub failures: Vec<CaseFailure>,
}

impl NewCase {
    /// A case with nothing but its id and outcome.
    pub fn new(nodeid: impl Into<String>, outcome: Outcome) -> Self {
        Self {
            nodeid: nodeid.into(),
            outcome,
            outcomes: None,
            duration: None,
            setup: None,
            call: None,
            teardown: None,
            attempts: 1,
            executions: 1,
            started_at: None,
            file: None,
            line: None,
            markers: Vec::new(),
            xdist_worker: None,
            memory_peak_kib: None,
            message: None,
            subtests_passed: 0,
            subtests_failed: 0,
            subtests_skipped: 0,
            failures: Vec::new(),
        }
    }
}

/// One thing that went wrong in a case.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CaseFailure {
    /// `setup`, `call`, `teardown`, `subtest` or `crash`.
    pub phase: String,
    /// What the attempt was counted as: `failed`, `error`, `rerun` or `crashed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Which attempt it was, from 1, or which subtest, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// The exception in short.
    #[serde(default)]
    pub message: String,
    /// The full traceback as pytest prints it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub traceback: String,
    /// Captured standard output of the attempt.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stdout: String,
    /// Captured standard error of the attempt.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stderr: String,
    /// Captured log records of the attempt.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub log: String,
}

/// A case as `GET /results/{run_id}/cases` lists it. Every key is always there.
///
/// Durations come from the stored columns: three significant digits, at best 10 µs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Case {
    /// pytest's id of the test.
    pub nodeid: String,
    /// The worst of `outcomes`, or `crashed` or `timeout`.
    pub outcome: Outcome,
    /// What pytest counted, in order; empty for a test whose process died before it said anything.
    pub outcomes: Vec<Outcome>,
    /// Seconds, all phases of all attempts.
    pub duration: Option<f64>,
    /// Seconds in setup.
    pub setup: Option<f64>,
    /// Seconds in the test itself.
    pub call: Option<f64>,
    /// Seconds in teardown.
    pub teardown: Option<f64>,
    /// How often it was tried.
    pub attempts: u32,
    /// How often the session ran it.
    pub executions: u32,
    /// When its first setup started, to the millisecond.
    #[serde(with = "crate::time::optional")]
    pub started_at: Option<DateTime<Utc>>,
    /// Source file, relative to pytest's rootdir.
    pub file: Option<String>,
    /// Line of its definition, from 1.
    pub line: Option<u32>,
    /// Names of its markers.
    pub markers: Vec<String>,
    /// The xdist worker that ran it.
    pub xdist_worker: Option<String>,
    /// Peak memory while it ran, where that was measured.
    pub memory_peak_kib: Option<u64>,
    /// Why, cut at [`crate::limits::MESSAGE_SHORT_BYTES_MAX`].
    pub message: Option<String>,
    /// Subtests that passed.
    pub subtests_passed: u32,
    /// Subtests that failed.
    pub subtests_failed: u32,
    /// Subtests that were skipped.
    pub subtests_skipped: u32,
    /// Everything that went wrong, in order: only in `GET /results/{run_id}/case?nodeid=`, where
    /// `message` is also uncut and `duration` and the phases of a bad case are exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<Vec<CaseFailure>>,
}

const fn one() -> u32 {
    1
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde's skip_serializing_if wants it"
)]
const fn is_one(value: &u32) -> bool {
    *value == 1
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde's skip_serializing_if wants it"
)]
const fn is_zero(value: &u32) -> bool {
    *value == 0
}
