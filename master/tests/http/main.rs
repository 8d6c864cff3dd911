//! The master's HTTP face, endpoint by endpoint, against a real server with a real database.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

mod access;
mod agents;
mod app;
mod archives;
mod audit;
mod bad_bodies;
mod caching;
mod case;
mod cases;
mod command_line;
mod compression;
mod contract;
mod cors;
mod docs;
mod environments;
mod events;
mod failure_stats;
mod faults;
mod full_disk;
mod golden;
mod health;
mod hosts;
mod job_bounds;
mod job_calls;
mod job_events;
mod job_log;
mod jobs;
mod kills;
mod library;
mod listening;
mod live;
mod login;
mod nonsense;
mod origins;
mod post_results;
mod process;
mod project_bounds;
mod projects;
mod proxy;
mod requests;
mod results;
mod run;
mod scopes;
mod shutdown;
mod slow_clients;
mod streams;
mod suites;
mod tasks;
mod testruns;
mod tls;
mod token_commands;
mod trend;
mod workers;
