//! What the master remembers, on SQLite or PostgreSQL. Knows no HTTP.

mod error;
mod open;

pub use error::StoreError;
pub use open::Store;
