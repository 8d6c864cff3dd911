//! Kills, starves and misleads every part on purpose, and counts what was lost.

mod audit;
mod book;
mod command_line;
mod faults;
mod ledger;
mod schedule;
mod stage;

use std::process::ExitCode;

fn main() -> ExitCode {
    command_line::run()
}
