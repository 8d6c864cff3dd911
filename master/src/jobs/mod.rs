//! Jobs: the queue, leases, environments, logs. Knows no HTTP.

mod error;
mod filter;
mod queue;

pub use error::JobsError;
pub use filter::JobsFilter;
pub use queue::{Jobs, LogEnd};
