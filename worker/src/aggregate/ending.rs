//! How pytest's process ended, as its parent saw it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::run::Problem;

/// What [`super::Run::finish`] needs besides the events.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "these are independent facts, and every combination happens"
)]
pub struct Ending {
    /// The exit code, `None` when a signal ended the process or nobody knows.
    pub exit_code: Option<i32>,
    /// The signal that ended it, such as `SIGSEGV`.
    pub signal: Option<String>,
    /// Whether a time limit ended it; the exit code and signal are then of no interest.
    pub timed_out: bool,
    /// Which limit that was, such as `the run reached its limit of 5 s`; may be empty.
    pub limit: String,
    /// The signal with which the worker itself was told to stop while pytest ran.
    pub stopped_by: Option<String>,
    /// Whether the plugin's pipe was closed while pytest went on: what followed is unknown.
    pub pipe_closed_early: bool,
    /// Whether the worker was stopped (SIGSTOP) and did not hear the end: the plugin, which waits a
    /// bounded time for a worker that does not listen, may have given up.
    pub worker_slept: bool,
    /// Whether nobody saw the end: the worker was killed too, and its journal is all there is.
    pub lost: bool,
    /// When the process was started.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Seconds between the two, by a clock that does not jump.
    pub duration_s: f64,
    /// The end of its output.
    pub log_tail: String,
    /// What the worker wants known, such as lines of the plugin that were no events.
    pub reader_problems: Vec<Problem>,
}
