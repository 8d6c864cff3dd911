//! The wire of pytest-platform: its types, their limits and their validation.
//!
//! This crate is inert. It reads no file, opens no socket and knows no clock, so the worker, the
//! master and the rendering layer can hold the same rules without holding each other.

pub mod access;
pub mod answer;
mod bounded;
pub mod case;
pub mod environment;
pub mod error;
pub mod event;
pub mod job;
pub mod lease;
pub mod library;
pub mod limits;
pub mod outcome;
pub mod query;
pub mod run;
pub mod status;
pub mod stream;
pub mod suite;
pub mod task;
pub mod testrun;
pub mod text;
pub mod time;
pub mod validate;
pub mod version;
