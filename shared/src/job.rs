//! A request to run tests: as it is sent, and as it is answered.
//!
//! `POST /jobs` takes a [`NewJob`]. The master queues it, an agent leases it (see [`crate::lease`]), and
//! what its tests did is a run like any other. Every state has its time in `transitions`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The body of `POST /jobs`. Only `username` and `source` are required.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewJob {
    /// A UUID that the client made for this job alone, so that it can send the same again when the answer
    /// was lost: the same content with the same UUID is the same job. Without it, the master makes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
    pub uuid: Option<String>,
    /// Who wants to know.
    pub username: String,
    /// What is tested; the project of the run.
    #[serde(default)]
    pub project: String,
    /// Where the tests are.
    pub source: Source,
    /// Files, folders or nodeids to run, relative to the root of the source; none means what pytest
    /// collects by itself.
    #[serde(default, deserialize_with = "crate::bounded::job_tests")]
    pub tests: Vec<String>,
    /// Further arguments of pytest, such as `-k` and `slow`. The agent has a list of those it takes.
    #[serde(default, deserialize_with = "crate::bounded::job_arguments")]
    pub args: Vec<String>,
    /// Environment variables of the tests. They are shown to whoever may see the job: no place for
    /// secrets.
    #[serde(default, deserialize_with = "crate::bounded::variables")]
    pub env: BTreeMap<String, String>,
    /// Labels that the agent must have, such as `{"os": "linux"}`.
    #[serde(default, deserialize_with = "crate::bounded::labels")]
    pub labels: BTreeMap<String, String>,
    /// Name of the environment that the tests use; only as many jobs as it has room for run in it at
    /// a time. A number is taken as well.
    #[serde(
        default,
        deserialize_with = "crate::bounded::text_or_number",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub environment: Option<String>,
    /// Seconds that one attempt may take, from its lease to its end.
    #[serde(default = "timeout_s")]
    pub timeout_s: u64,
    /// How often the job is begun when agents are lost.
    #[serde(default = "attempts_max")]
    pub attempts_max: u32,
    /// Seconds that it may wait in the queue before it becomes `failed_to_start`.
    #[serde(default = "wait_max_s")]
    pub wait_max_s: u64,
    /// The greater comes first; jobs of the same priority come in the order of their creation.
    #[serde(default)]
    pub priority: i32,
}

const fn timeout_s() -> u64 {
    crate::limits::JOB_TIMEOUT_S_DEFAULT
}

const fn attempts_max() -> u32 {
    crate::limits::JOB_ATTEMPTS_DEFAULT
}

const fn wait_max_s() -> u64 {
    crate::limits::JOB_WAIT_S_DEFAULT
}

/// Where the tests of a job are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Source {
    /// A git repository.
    Git(GitSource),
    /// Files of the master's test library, as they are when the job is created.
    Library(LibrarySource),
    /// An archive that was uploaded.
    Archive(ArchiveSource),
}

/// A git repository, at the tip of a branch or at a commit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GitSource {
    /// Its address. The agent says which ones it takes.
    pub url: String,
    /// The branch or tag; without it and without a commit, the repository's own default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The commit, 7 to 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The repository that the tests are in, when they live in another one than the code under test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tests_url: Option<String>,
    /// The branch or tag of `tests_url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tests_branch: Option<String>,
    /// Whether submodules are fetched as well.
    #[serde(default)]
    pub submodules: bool,
}

/// Files of the test library.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LibrarySource {
    /// Paths relative to the library, files or folders; none means all of it. What they need beside
    /// them (`conftest.py`, data files) comes along: the agent gets the whole library, and these are
    /// what is run unless the job's `tests` say otherwise.
    #[serde(default, deserialize_with = "crate::bounded::job_tests")]
    pub files: Vec<String>,
    /// Set by the master when the job is created: the hash under which it keeps the files as they
    /// were. A client leaves it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
}

/// An archive that was uploaded to `POST /archives`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ArchiveSource {
    /// What that answered as `archive`.
    pub archive: String,
}

/// Where a job came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// `POST /jobs`.
    Job,
    /// `POST /run_suite`.
    Suite,
    /// `POST /api/testrun`.
    Testrun,
}

impl JobKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Job, Self::Suite, Self::Testrun];

    /// The word on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Suite => "suite",
            Self::Testrun => "testrun",
        }
    }

    /// The kind of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It waits; `waits_for` says what for.
    Queued,
    /// An agent has it.
    Running,
    /// Its run passed.
    Passed,
    /// Its run is there and did not pass.
    Failed,
    /// It could not be carried out; `error` says why.
    Error,
    /// It took longer than `timeout_s`.
    TimedOut,
    /// Somebody cancelled it.
    Cancelled,
    /// It waited longer than `wait_max_s`.
    FailedToStart,
}

impl JobState {
    /// Every state, in the order in which a job may go through them.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Running,
        Self::Passed,
        Self::Failed,
        Self::Error,
        Self::TimedOut,
        Self::Cancelled,
        Self::FailedToStart,
    ];

    /// The word on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Error => "error",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
            Self::FailedToStart => "failed_to_start",
        }
    }

    /// The state of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether nothing more will happen to it.
    pub const fn is_over(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// Why a job could not be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum JobErrorKind {
    /// The source could not be fetched, whatever its type.
    Git,
    /// What the tests need could not be installed.
    Install,
    /// pytest could not be run, or an argument was refused.
    Subprocess,
    /// Agents that had it went away, as often as it may be tried.
    Lost,
    /// It waited longer than `wait_max_s`; only in state `failed_to_start`.
    Waited,
}

impl JobErrorKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Git,
        Self::Install,
        Self::Subprocess,
        Self::Lost,
        Self::Waited,
    ];

    /// The word on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Git => "git",
            Self::Install => "install",
            Self::Subprocess => "subprocess",
            Self::Lost => "lost",
            Self::Waited => "waited",
        }
    }

    /// The kind of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// Why a job could not be carried out, for programs and for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobError {
    /// For programs.
    pub kind: JobErrorKind,
    /// For people.
    pub text: String,
}

/// A job, as `GET /jobs` lists it and `GET /jobs/{id}` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Job {
    /// The master's number of it. Later jobs have greater ones.
    pub id: i64,
    /// The same job under a name that is unique everywhere. Either goes into a path.
    pub uuid: String,
    /// Where it came in.
    pub kind: JobKind,
    /// See [`NewJob`], as the fields up to `priority`.
    pub username: String,
    /// The project of the run.
    pub project: String,
    /// Where the tests are.
    pub source: Source,
    /// What is run.
    pub tests: Vec<String>,
    /// Arguments of pytest.
    pub args: Vec<String>,
    /// Environment variables of the tests.
    pub env: BTreeMap<String, String>,
    /// Labels that the agent must have.
    pub labels: BTreeMap<String, String>,
    /// The environment that it needs.
    pub environment: Option<String>,
    /// Seconds that one attempt may take.
    pub timeout_s: u64,
    /// How often it may be begun.
    pub attempts_max: u32,
    /// Seconds that it may wait.
    pub wait_max_s: u64,
    /// The greater comes first.
    pub priority: i32,
    /// How far it is.
    pub state: JobState,
    /// Why it is in state `error` or `failed_to_start`, or what ended the attempt before.
    pub error: Option<JobError>,
    /// What it waits for, in words; only while it is queued, and only in `GET /jobs/{id}`.
    pub waits_for: Option<String>,
    /// Whether somebody asked for its end.
    pub cancel_requested: bool,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When its last attempt began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it came to its end.
    pub finished_at: Option<DateTime<Utc>>,
    /// How often it was begun.
    pub attempt: u32,
    /// The agent that has it or had it last.
    pub agent: Option<String>,
    /// The run of its last attempt. It is there as soon as pytest has started.
    pub run_id: Option<String>,
    /// pytest's exit code in the last attempt that ended.
    pub exit_code: Option<i32>,
    /// Bytes of its log so far.
    pub log_bytes: u64,
    /// The job that it repeats.
    pub rerun_of: Option<i64>,
    /// Every state it was in, in order; only in `GET /jobs/{id}`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transitions: Vec<Transition>,
    /// Every attempt, in order; only in `GET /jobs/{id}`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
}

/// A job came into a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Transition {
    /// The state.
    pub state: JobState,
    /// When.
    pub at: DateTime<Utc>,
    /// The attempt it belongs to, 0 before the first.
    pub attempt: u32,
    /// Why, in words; may be empty.
    pub why: String,
}

/// An agent had the job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// The agent.
    pub agent: String,
    /// The run that this attempt reports.
    pub run_id: String,
    /// When the agent got the job.
    pub leased_at: DateTime<Utc>,
    /// When this attempt was over.
    pub ended_at: Option<DateTime<Utc>>,
    /// How it ended, in a word: that of the job's state then, or `lost` or `released`.
    pub ending: Option<String>,
    /// pytest's exit code.
    pub exit_code: Option<i32>,
    /// What the agent did, in order.
    pub steps: Vec<Step>,
}

/// One thing that an agent does for a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Step {
    /// Which.
    pub name: StepName,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<DateTime<Utc>>,
    /// What it came to, in a few words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// The steps of an attempt, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum StepName {
    /// The source is fetched.
    Fetch,
    /// What the tests need is installed.
    Prepare,
    /// pytest runs.
    Run,
    /// The rest of the run and of the log is sent.
    Report,
    /// The job's folder is removed.
    Clean,
}

impl StepName {
    /// Every step, in order.
    pub const ALL: [Self; 5] = [
        Self::Fetch,
        Self::Prepare,
        Self::Run,
        Self::Report,
        Self::Clean,
    ];
}

/// The body of `POST /jobs/{id}/rerun`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Rerun {
    /// That of the new job, as in `POST /jobs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
    pub uuid: Option<String>,
    /// Only the tests that did not pass in the run of the last attempt.
    #[serde(default)]
    pub failed_only: bool,
}
