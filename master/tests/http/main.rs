//! The master's HTTP face, endpoint by endpoint, against a real server with a real database.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

mod app;
mod bad_bodies;
mod caching;
mod case;
mod cases;
mod command_line;
mod compression;
mod contract;
mod cors;
mod docs;
mod events;
mod failure_stats;
mod faults;
mod full_disk;
mod golden;
mod health;
mod hosts;
mod kills;
mod listening;
mod live;
mod nonsense;
mod post_results;
mod process;
mod projects;
mod proxy;
mod requests;
mod results;
mod run;
mod shutdown;
mod slow_clients;
mod streams;
mod trend;
mod workers;
