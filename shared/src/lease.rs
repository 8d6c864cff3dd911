//! What an agent and the master say to one another about a job.
//!
//! `POST /agents/lease` hands out a [`Lease`]. Everything that the agent says about it afterwards goes to
//! `/jobs/{job}/attempts/{attempt}/...`, and is refused with 409 `lease_lost` once the lease is over:
//! `attempt` is a number that is never used twice.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::job::{JobErrorKind, Source};

/// The body of `POST /agents/lease`: an agent wants work.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LeaseRequest {
    /// Name of the agent, unique among those of a master.
    pub agent: String,
    /// What it offers, such as `{"os": "linux"}`.
    #[serde(default, deserialize_with = "crate::bounded::labels")]
    pub labels: BTreeMap<String, String>,
    /// Jobs that it carries out at a time.
    #[serde(default = "one")]
    pub slots: u32,
    /// Jobs that it has now.
    #[serde(default)]
    pub busy: u32,
    /// Its version.
    #[serde(default)]
    pub version: String,
    /// Seconds to wait for a job when there is none, at most
    /// [`crate::limits::LEASE_WAIT_S_MAX`]. Then the answer is 204.
    #[serde(default)]
    pub wait_s: u32,
}

const fn one() -> u32 {
    1
}

/// A job for an agent, and for nobody else until the lease is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Lease {
    /// The job.
    pub job: i64,
    /// Its other name.
    pub uuid: String,
    /// The number that all further calls name; never used twice, by no job.
    pub attempt: i64,
    /// How many attempts the job had, with this one.
    pub number: u32,
    /// Seconds without a heartbeat after which the lease is over. The agent must have ended everything
    /// that belongs to the job before.
    pub lease_s: u32,
    /// The id of the run that is to be reported.
    pub run_id: String,
    /// Who wants to know.
    pub username: String,
    /// The project of the run.
    pub project: String,
    /// Where the tests are. The files of a library or an archive are at
    /// `GET /jobs/{job}/attempts/{attempt}/source`.
    pub source: Source,
    /// What is run.
    pub tests: Vec<String>,
    /// Arguments of pytest.
    pub args: Vec<String>,
    /// Environment variables of the tests.
    pub env: BTreeMap<String, String>,
    /// The environment that the job holds.
    pub environment: Option<String>,
    /// Seconds that this attempt may take.
    pub timeout_s: u64,
}

/// Answer to `POST .../heartbeat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Heartbeat {
    /// Whether the job is to be ended now, and finished as `cancelled`.
    pub cancel: bool,
    /// As in [`Lease`].
    pub lease_s: u32,
}

/// Answer to `POST .../log?offset=N`, whose body is the next piece of this attempt's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogKept {
    /// Bytes of this attempt's log that are kept, counted as the agent counts them; the next piece has this
    /// offset. A piece that is sent twice changes nothing, one that leaves a gap is refused with 409
    /// `log_gap`.
    pub bytes: u64,
    /// Whether the log is full. What is sent beyond is counted and dropped, and the log says so.
    pub full: bool,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AttemptEnding {
    /// The run passed.
    Passed,
    /// The run is there and did not pass.
    Failed,
    /// It could not be carried out; `error_kind` says why.
    Error,
    /// It took longer than `timeout_s`.
    TimedOut,
    /// It was ended because a heartbeat said so.
    Cancelled,
    /// The agent stops and gives the job back: it is queued again, and the attempt does not count.
    Released,
}

impl AttemptEnding {
    /// The word on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Error => "error",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
            Self::Released => "released",
        }
    }
}

/// The body of `POST .../finish`. The same may be sent again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FinishAttempt {
    /// How it ended.
    pub ending: AttemptEnding,
    /// With `error`: for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_kind: Option<JobErrorKind>,
    /// With `error`: for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// pytest's exit code, if it was run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
}

/// An agent, as `GET /agents` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Agent {
    /// Its name.
    pub name: String,
    /// What it offers.
    pub labels: BTreeMap<String, String>,
    /// Jobs that it carries out at a time.
    pub slots: u32,
    /// Its version.
    pub version: String,
    /// When it was heard last.
    pub last_seen: DateTime<Utc>,
    /// Whether it was heard within [`crate::limits::AGENT_ONLINE_S`].
    pub online: bool,
    /// Ids of the jobs that it has.
    pub jobs: Vec<i64>,
}
