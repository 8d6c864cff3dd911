//! Does what the command line says.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use super::command_line::{Cli, Command};
use super::{account, serve, token};

/// Reads the command line and does what it says.
pub fn run() -> ExitCode {
    let Cli { command, serve } = Cli::parse();
    let done = match command {
        None => serve::serve_until_signal(&serve),
        Some(Command::Serve(options)) => serve::serve_until_signal(&options),
        Some(Command::Token(command)) => token::run(command),
        Some(Command::Account(command)) => account::run(command),
    };
    match done {
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
