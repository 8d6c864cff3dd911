//! Jobs: the queue, leases, environments, logs. Knows no HTTP.

mod error;
mod queue;

pub use error::JobsError;
pub use queue::Jobs;
