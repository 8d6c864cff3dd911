//! The master: keeps every result and answers questions about them in JSON.

pub mod access;
pub mod cli;
pub mod config;
pub mod http;
pub mod ingest;
pub mod jobs;
pub mod library;
pub mod live;
pub mod logging;
pub mod queries;
pub mod server;
pub mod store;
