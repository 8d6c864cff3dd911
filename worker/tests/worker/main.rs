//! The real binary with a real pytest, against a small HTTP server that can misbehave.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "what helps a test may fail like a test"
)]

mod commands;
mod failing_disk;
mod journal;
mod master;
mod output;
mod python;
mod signals;
mod stage;
mod terminal;
mod upload;
