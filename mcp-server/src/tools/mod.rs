//! The six tools: one file each, with its arguments, its answer and its question to the master.

mod answer;
mod arguments;
mod get_failure_stats;
mod get_failures;
mod get_report;
mod get_summary;
mod get_trend;
mod get_workers;
mod registry;
mod schema;

pub use registry::{call, list};

/// What to do when nothing was reported yet.
pub const FIRST_RUN_HINT: &str = "No run has been reported yet. In a project with pytest tests run \
    `MASTER_URL=<this master> pytest-platform-worker run -- <pytest arguments>`, then ask again";
