//! The master: keeps every result and answers questions about them in JSON.

pub mod ingest;
pub mod queries;
pub mod store;
