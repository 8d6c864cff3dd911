//! One pytest session: as it is sent, and as it is answered.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::case::NewCase;
use crate::status::RunStatus;
use crate::stream::Live;

/// The body of `POST /results`. Only `run_id` and `worker_id` are required.
///
/// A client sends either counts and `failures` (the contract's shape), or `cases`, from which the
/// counts follow. Unknown fields are ignored.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewRun {
    /// Chosen by the worker, unique; any printable text of at most 200 bytes, a UUID advised.
    pub run_id: String,
    /// Who ran it.
    pub worker_id: String,
    /// What was tested.
    #[serde(default)]
    pub project: String,
    /// The branch under test.
    #[serde(default)]
    pub branch: String,
    /// When the run was; absent means the moment of receipt. No offset means UTC.
    #[serde(
        default,
        with = "crate::time::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub timestamp: Option<DateTime<Utc>>,
    /// Tests that passed. This and the other counts are ignored when `cases` is there.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub passed: u64,
    /// Tests that failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed: u64,
    /// Errors in setup, teardown and collection.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub error: u64,
    /// Tests skipped.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skipped: u64,
    /// All tests.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub total: u64,
    /// Seconds.
    #[serde(default)]
    pub duration: f64,
    /// Percent, 0 to 100; absent means computed from the counts. Ignored when `cases` is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pass_rate: Option<f64>,
    /// What failed. Ignored when `cases` is there.
    #[serde(
        default,
        deserialize_with = "crate::bounded::run_failures",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub failures: Vec<RunFailure>,

    /// Every test that was started, with its result.
    #[serde(
        default,
        deserialize_with = "crate::bounded::cases",
        skip_serializing_if = "Option::is_none"
    )]
    pub cases: Option<Vec<NewCase>>,
    /// The verdict; absent means it follows from the counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<RunStatus>,
    /// pytest's exit code, `null` when a signal ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The signal that ended pytest, such as `SIGSEGV`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// Whether pytest said goodbye.
    #[serde(default = "yes")]
    pub finished: bool,
    /// Whether every collected test was reported; absent means as `finished`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete: Option<bool>,
    /// Tests collected and selected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collected: Option<u64>,
    /// Tests collected and deselected.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub deselected: u64,
    /// Collection errors: files or folders that could not be collected. Counted in `error`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub collection_errors: u64,
    /// Files skipped as a whole at collection. Counted in `skipped`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub collection_skips: u64,
    /// Nodeids that had started and never finished, at most
    /// [`crate::limits::NODEIDS_LISTED_MAX`].
    #[serde(
        default,
        deserialize_with = "crate::bounded::nodeids",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub running: Vec<String>,
    /// Full number of `running`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub running_count: u64,
    /// Nodeids that were collected and never started, capped the same.
    #[serde(
        default,
        deserialize_with = "crate::bounded::nodeids",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub not_run: Vec<String>,
    /// Full number of `not_run`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub not_run_count: u64,
    /// What went wrong outside of tests, and what the worker wants known.
    #[serde(
        default,
        deserialize_with = "crate::bounded::problems",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub problems: Vec<Problem>,
    /// The end of pytest's own output.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub log_tail: String,
    /// The commit under test.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub commit: String,
    /// Whether the working tree had changes on top of `commit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dirty: Option<bool>,
    /// Labels under which runs compare, such as `{"python": "3.12"}`.
    #[serde(
        default,
        deserialize_with = "crate::bounded::labels",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub variant: BTreeMap<String, String>,
    /// Version of Python.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub python: String,
    /// Version of pytest.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub pytest: String,
    /// Operating system and machine, as Python names them.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub platform: String,
    /// Installed pytest plugins with versions, such as `xdist-3.8.0`.
    #[serde(
        default,
        deserialize_with = "crate::bounded::plugins",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub plugins: Vec<String>,
    /// The command line, quoted for a shell.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub command: String,
    /// The CI system, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ci: Option<Ci>,
    /// When pytest was started.
    #[serde(
        default,
        with = "crate::time::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub started_at: Option<DateTime<Utc>>,
    /// When pytest ended.
    #[serde(
        default,
        with = "crate::time::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub finished_at: Option<DateTime<Utc>>,
}

/// A failure in the contract's shape.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunFailure {
    /// The test.
    pub nodeid: String,
    /// Seconds.
    #[serde(default)]
    pub duration: f64,
    /// What it said.
    #[serde(default)]
    pub message: String,
}

/// Something about a run that is not one test's result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
// The document has one name space, and errors are called `Problem` there.
#[cfg_attr(feature = "openapi", schema(as = RunProblem))]
pub struct Problem {
    /// What sort of thing it is.
    pub kind: ProblemKind,
    /// A nodeid, a file, an xdist worker, or empty.
    #[serde(rename = "where", default)]
    pub place: String,
    /// In words.
    #[serde(default)]
    pub text: String,
}

/// Sorts of [`Problem`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// A file or folder could not be collected.
    CollectionError,
    /// A file was skipped as a whole while it was collected.
    CollectionSkip,
    /// pytest, a plugin or a conftest raised outside of a test.
    InternalError,
    /// pytest refused its command line or configuration.
    UsageError,
    /// A process died: pytest, or one of its xdist workers.
    Crash,
    /// A warning that pytest collected, or one of the worker's own.
    Warning,
    /// Exit code, report and hooks disagree.
    Contradiction,
    /// Something was cut at a limit.
    Truncated,
    /// The run arrived long after it ended.
    Late,
}

/// The CI system that a run came from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Ci {
    /// Such as `GitHub Actions`.
    pub name: String,
    /// Page of the job, or empty.
    #[serde(default)]
    pub url: String,
}

/// A run as `GET /results` lists it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunSummary {
    /// The master's own number of the run; grows with arrival.
    pub id: i64,
    /// The worker's id of the run.
    pub run_id: String,
    /// Who ran it.
    pub worker_id: String,
    /// What was tested.
    pub project: String,
    /// The branch under test.
    pub branch: String,
    /// When the run was.
    #[serde(with = "crate::time::required")]
    pub timestamp: DateTime<Utc>,
    /// Tests that passed, as pytest counts them.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
    /// Errors in setup, teardown and collection.
    pub error: u64,
    /// Tests and files skipped.
    pub skipped: u64,
    /// All tests that started.
    pub total: u64,
    /// Seconds.
    pub duration: f64,
    /// `passed` of `total`, in percent.
    pub pass_rate: f64,
    /// The verdict.
    pub status: RunStatus,
    /// Whether it finished and every collected test was reported.
    pub complete: bool,
    /// The commit under test.
    pub commit: String,
    /// When the master received it; of a run that was streamed, its opening.
    #[serde(with = "crate::time::required")]
    pub received_at: DateTime<Utc>,
    /// What is known of its end; `null` unless it is still going on.
    #[serde(default)]
    pub live: Option<Live>,
}

/// A run as `GET /results/{run_id}` answers it: the fields of [`RunSummary`], its failures, and
/// everything it says about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Run {
    /// The master's own number of the run; grows with arrival.
    pub id: i64,
    /// The worker's id of the run.
    pub run_id: String,
    /// Who ran it.
    pub worker_id: String,
    /// What was tested.
    pub project: String,
    /// The branch under test.
    pub branch: String,
    /// When the run was.
    #[serde(with = "crate::time::required")]
    pub timestamp: DateTime<Utc>,
    /// Tests that passed, as pytest counts them.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
    /// Errors in setup, teardown and collection.
    pub error: u64,
    /// Tests and files skipped.
    pub skipped: u64,
    /// All tests that started.
    pub total: u64,
    /// Seconds.
    pub duration: f64,
    /// `passed` of `total`, in percent.
    pub pass_rate: f64,
    /// Tests that failed, had an error, crashed or timed out; messages cut at
    /// [`crate::limits::MESSAGE_SHORT_BYTES_MAX`] when the run has cases.
    pub failures: Vec<RunFailure>,
    /// The verdict.
    pub status: RunStatus,
    /// pytest's exit code.
    pub exit_code: Option<i32>,
    /// The signal that ended pytest.
    pub signal: Option<String>,
    /// Whether pytest said goodbye.
    pub finished: bool,
    /// Whether it finished and every collected test was reported.
    pub complete: bool,
    /// Tests collected and selected; `null` when the client did not say.
    pub collected: Option<u64>,
    /// Tests collected and deselected.
    pub deselected: u64,
    /// Tests whose result is stored.
    pub reported: u64,
    /// Tests that failed as expected.
    pub xfailed: u64,
    /// Tests that passed although a failure was expected.
    pub xpassed: u64,
    /// Attempts that were repeated.
    pub rerun: u64,
    /// Subtests that passed.
    pub subtests_passed: u64,
    /// Subtests that failed.
    pub subtests_failed: u64,
    /// Collection errors, counted in `error`.
    pub collection_errors: u64,
    /// Files skipped as a whole, counted in `skipped`.
    pub collection_skips: u64,
    /// Nodeids that had started and never finished.
    pub running: Vec<String>,
    /// Full number of `running`.
    pub running_count: u64,
    /// Nodeids that were collected and never started.
    pub not_run: Vec<String>,
    /// Full number of `not_run`.
    pub not_run_count: u64,
    /// What went wrong outside of tests.
    pub problems: Vec<Problem>,
    /// The end of pytest's own output.
    pub log_tail: String,
    /// The commit under test.
    pub commit: String,
    /// Whether the working tree had changes on top of it.
    pub dirty: Option<bool>,
    /// Labels under which runs compare.
    pub variant: BTreeMap<String, String>,
    /// Version of Python.
    pub python: String,
    /// Version of pytest.
    pub pytest: String,
    /// Operating system and machine.
    pub platform: String,
    /// Installed pytest plugins with versions.
    pub plugins: Vec<String>,
    /// The command line.
    pub command: String,
    /// The CI system.
    pub ci: Option<Ci>,
    /// When pytest was started.
    #[serde(with = "crate::time::optional")]
    pub started_at: Option<DateTime<Utc>>,
    /// When pytest ended.
    #[serde(with = "crate::time::optional")]
    pub finished_at: Option<DateTime<Utc>>,
    /// When the master received it; of a run that was streamed, its opening.
    #[serde(with = "crate::time::required")]
    pub received_at: DateTime<Utc>,
    /// What is known of its end; `null` unless it is still going on.
    #[serde(default)]
    pub live: Option<Live>,
}

const fn yes() -> bool {
    true
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde's skip_serializing_if wants it"
)]
const fn is_zero(value: &u64) -> bool {
    *value == 0
}
