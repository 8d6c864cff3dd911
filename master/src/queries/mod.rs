//! Reads, one file per question.

pub mod case;
mod case_values;
pub mod cases;
pub mod failure_stats;
mod live;
mod live_cases;
mod moment;
pub mod names;
pub mod runs;
pub mod trend;
pub mod workers;
