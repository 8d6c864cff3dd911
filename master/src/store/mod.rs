//! What the master remembers, on SQLite or PostgreSQL. Knows no HTTP. One table, one file.

pub mod columns;

pub(crate) mod accounts;
pub(crate) mod agents;
pub(crate) mod attempts;
pub(crate) mod audit;
pub(crate) mod blobs;
pub(crate) mod bodies;
pub(crate) mod case_failures;
pub(crate) mod changes;
pub(crate) mod details;
mod dialect;
pub(crate) mod dictionary;
pub(crate) mod engine;
pub(crate) mod environments;
mod error;
pub(crate) mod failure_counts;
pub(crate) mod failures;
pub(crate) mod hash;
pub(crate) mod job_lists;
pub(crate) mod job_logs;
pub(crate) mod job_queue;
pub(crate) mod jobs;
pub(crate) mod layouts;
pub(crate) mod library_versions;
pub(crate) mod many;
pub(crate) mod marks;
pub(crate) mod notifications;
mod open;
pub(crate) mod packed;
pub(crate) mod projects;
pub(crate) mod runs;
pub(crate) mod sessions;
pub(crate) mod steps;
pub(crate) mod stream_batches;
pub(crate) mod streams;
pub(crate) mod texts;
pub(crate) mod tokens;
pub(crate) mod transitions;
pub(crate) mod workers;
pub(crate) mod writes;

pub use error::StoreError;
pub use open::Store;
