//! The steps of a job: fetch, prepare, and what pytest is started with.

mod failure;
mod site;

pub use failure::StepFailure;
pub use site::{JobLog, Site};
