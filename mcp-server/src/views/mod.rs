//! View models: what the master said, arranged for a reader. Pure functions, no clock, no network.

pub mod budget;
pub mod chart;
pub mod failures;
pub mod figures;
pub mod going_on;
pub mod moment;
pub mod report_summary;
pub mod run_line;
pub mod stats;
pub mod traceback;
pub mod trend;
pub mod verdict;
