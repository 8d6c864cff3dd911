//! The benchmarks of pytest-platform; `cargo xtask bench` builds and starts this.

mod bodies;
mod command_line;
mod figures;
mod ingest;
mod jobs;
mod load;
mod overhead;
mod process_cost;
mod queries;
mod statistics;
mod suites;
mod yardstick;

use std::process::ExitCode;

fn main() -> ExitCode {
    command_line::run()
}
