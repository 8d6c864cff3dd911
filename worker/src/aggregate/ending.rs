//! How pytest's process ended, as its parent saw it.

use chrono::{DateTime, Utc};
use shared::run::Problem;

/// What [`super::Run::finish`] needs besides the events.
#[derive(Debug, Clone, Default)]
pub struct Ending {
    /// The exit code, `None` when a signal ended the process or nobody knows.
    pub exit_code: Option<i32>,
    /// The signal that ended it, such as `SIGSEGV`.
    pub signal: Option<String>,
    /// Whether the run's time limit ended it; the exit code and signal are then of no interest.
    pub timed_out: bool,
    /// When the process was started.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Seconds between the two, by a clock that does not jump.
    pub duration_s: f64,
    /// The end of its output.
    pub log_tail: String,
    /// What the reader of the pipe wants known, such as lines that were no events.
    pub reader_problems: Vec<Problem>,
}
