//! Jobs: the queue, leases, environments, logs. Knows no HTTP.

mod again;
mod attempt;
mod end;
mod environments;
mod error;
mod expire;
mod filter;
mod keep;
mod lease;
mod log;
mod offer;
mod presence;
mod queue;
mod read;
mod rerun;
mod turns;
mod waiting_lease;
mod waits;
mod wire;

pub use error::JobsError;
pub use expire::{GoingOn, OVERDUE_GRACE};
pub use filter::JobsFilter;
pub use log::LogEnd;
pub use queue::{Jobs, Queued};
pub(crate) use read::by_ids;
