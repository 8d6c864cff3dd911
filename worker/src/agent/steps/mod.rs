//! The steps of a job: fetch, prepare, and what pytest is started with.
//!
//! They run inside the process of one attempt and block it. Whatever they start stays in that process's
//! group, writes into the job's log and sees none of the agent's secrets.

mod arguments;
mod disk;
mod environment;
mod failure;
mod fetch;
mod options;
mod prepare;
mod program;
mod sandbox;
mod site;
mod unpack;
mod words;

pub use arguments::{AllowedArguments, Arguments, pytest_arguments};
pub use failure::StepFailure;
pub use fetch::{FetchRules, Fetched, fetch};
pub use options::{StepOptions, StepRules};
pub use prepare::{PrepareRules, Prepared, prepare};
pub use sandbox::Sandbox;
pub use site::{JobLog, Site};
