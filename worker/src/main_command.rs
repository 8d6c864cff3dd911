//! From the command line to a command, and from its outcome to an exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::config::{self, Settings};
use crate::{
    agent, exit, flush_command, journal_command, pytest, run_command, send_command, sidecar_command,
};

/// Runs the command that was asked for.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // `--help` and `--version` come this way too, and are no failures.
            let code = if error.use_stderr() { exit::USAGE } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    match cli.command {
        Command::Run(arguments) => run_command::run(&arguments),
        Command::Config(options) => show(&Settings::of_this_process(&options)),
        Command::Send(arguments) => send_command::send(&arguments),
        Command::Flush(arguments) => flush_command::flush(&arguments),
        Command::Journal(arguments) => journal_command::journal(&arguments.command),
        Command::Agent(arguments) => agent::agent(&arguments),
        Command::Attempt => agent::attempt::attempt(),
        Command::Guard(arguments) => pytest::guard(&arguments),
        Command::Sidecar(arguments) => sidecar_command::sidecar(&arguments),
    }
}

fn show(settings: &Settings) -> ExitCode {
    let mut stdout = io::stdout().lock();
    match config::show(settings, &mut stdout).and_then(|()| stdout.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the other end has closed it, and wants no more.
        Err(_) => ExitCode::from(exit::WORKER_FAILED),
    }
}
