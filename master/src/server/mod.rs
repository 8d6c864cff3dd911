//! The running master: listener, connections, orderly end.

mod connections;
mod leases;
mod peer;
mod sightings;
pub mod signal;
mod silence;
mod stalled;
mod start;
mod tls;

pub use start::Server;
