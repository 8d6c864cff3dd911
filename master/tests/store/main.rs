//! The store's one suite, run on both engines: SQLite in a folder of its own, PostgreSQL on the server
//! that `TEST_POSTGRES_URL` names, each test in a database of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

#[macro_use]
mod engines;
mod make;

mod access;
mod arrival;
mod bad_input;
mod cases;
mod contract;
mod counters;
mod growth;
mod jobs;
mod jobs_again;
mod jobs_attempts;
mod jobs_end;
mod jobs_keep;
mod jobs_log;
mod jobs_model;
mod jobs_order;
mod jobs_races;
mod library;
mod lists;
mod live;
mod restarts;
mod streams;
mod streams_lost;
mod streams_races;
mod streams_refused;
mod texts;
