//! Reads, one file per question.

pub mod case;
pub mod cases;
pub mod failure_stats;
pub mod names;
pub mod runs;
pub mod trend;
pub mod workers;
