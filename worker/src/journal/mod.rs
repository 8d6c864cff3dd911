//! What the plugin said, on disk before anything else depends on it.

mod open;

pub use open::{Beginning, Journal};
