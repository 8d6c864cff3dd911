//! The master's JSON API, asked over HTTP within bounds of time and size.

mod error;
mod master;

pub use error::MasterError;
pub use master::{CasePage, Master, ProjectSummary};
