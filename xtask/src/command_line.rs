//! The command line of `cargo xtask`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{bench, chaos, console, demo, process, test};

/// The project's own commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the whole way of a result on a real project and a sample one, then end
    Demo(demo::Options),
    /// Run every test, or the named steps
    Test(test::Options),
    /// Measure, and compare with the targets
    Bench(bench::Options),
    /// Kill, starve and mislead everything on purpose, and count what was lost
    Chaos(chaos::Options),
}

/// Reads the command line, runs the command, and answers with the exit code of the process.
pub fn run() -> ExitCode {
    let command_line = CommandLine::parse();
    let outcome = process::end_children_on_signals().and_then(|()| match command_line.command {
        Command::Demo(options) => demo::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Test(options) => test::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Chaos(options) => chaos::run(&options),
    });
    process::give_way_to_signals();
    outcome.unwrap_or_else(|error| {
        console::error(&error);
        ExitCode::FAILURE
    })
}
