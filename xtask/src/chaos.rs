//! `cargo xtask chaos`: builds everything and hands over to the fault tests.

use std::process::{Command, ExitCode};

use anyhow::Result;
use clap::ValueEnum;

use crate::places::{self, Profile};
use crate::process::{self, Guarded};
use crate::python::{self, Environment};
use crate::{console, system};

/// What the suites under test run with.
const PACKAGES: [&str; 2] = ["pytest==9.2.0", "pytest-xdist==3.8.0"];

/// Options of `cargo xtask chaos`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// About how long, in minutes
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Where the random numbers begin; the same seed breaks the same things in the same order
    #[arg(long)]
    seed: Option<u64>,
    /// Which databases
    #[arg(long, value_enum, default_value_t = Engines::Both)]
    engine: Engines,
    /// Only these faults; `--only help` lists them
    #[arg(long, value_name = "FAULT", value_delimiter = ',')]
    only: Vec<String>,
}

/// Databases to break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Engines {
    /// The embedded one
    Sqlite,
    /// A throw-away server
    Postgres,
    /// One after the other
    Both,
}

/// Builds and runs; the exit code is that of the fault tests: 1 when something was lost, doubled or
/// wrong.
pub fn run(options: &Options) -> Result<ExitCode> {
    let installed = system::install(&system::PACKAGES)?;
    if !installed.is_empty() {
        console::line(format_args!("installed {}", installed.join(", ")));
    }
    places::build(Profile::Dev)?;
    let mut command = command()?;
    command.args(["--minutes", &options.minutes.to_string()]);
    if let Some(seed) = options.seed {
        command.args(["--seed", &seed.to_string()]);
    }
    if let Some(engine) = options.engine.to_possible_value() {
        command.args(["--engine", engine.get_name()]);
    }
    if !options.only.is_empty() {
        command.args(["--only", &options.only.join(",")]);
    }
    let status = Guarded::start(&mut command)?.wait()?;
    process::give_way_to_signals();
    Ok(match status.code() {
        Some(0) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// The program with the Python that its suites run on; the programs are built already.
pub(crate) fn command() -> Result<Command> {
    let packages = PACKAGES.map(str::to_owned);
    let environment = Environment::with(&python::newest()?, "chaos", &packages)?;
    let mut command = Command::new(places::chaos(Profile::Dev));
    command
        .current_dir(places::root())
        .arg("--python")
        .arg(environment.python());
    Ok(command)
}
