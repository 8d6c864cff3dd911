//! The command line of the master.

mod serve;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use serve::ServeOptions;

/// Keeps the results of pytest runs and answers questions about them in JSON.
#[derive(Debug, Parser)]
#[command(
    name = "pytest-platform-master",
    version,
    args_conflicts_with_subcommands = true
)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeOptions,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the master until SIGINT or SIGTERM (the default command).
    Serve(ServeOptions),
}

/// Reads the command line and does what it says.
pub fn run() -> ExitCode {
    let Cli { command, serve } = Cli::parse();
    let options = match command {
        Some(Command::Serve(options)) => options,
        None => serve,
    };
    match serve::serve_until_signal(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {}", reasons(&error));
            ExitCode::FAILURE
        }
    }
}

/// The error and its causes in one line; some layers repeat the text of the one below.
fn reasons(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for reason in error.chain().map(ToString::to_string) {
        if line.is_empty() {
            line = reason;
        } else if !line.contains(&reason) {
            line = format!("{line}: {reason}");
        }
    }
    line
}
