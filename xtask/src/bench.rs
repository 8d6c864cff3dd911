//! `cargo xtask bench`: builds everything for release and hands over to the benchmarks.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::places::{self, Profile};
use crate::process;

/// Options of `cargo xtask bench`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Which to run (overhead, ingest, queries, jobs) and how; `--help` of the benchmarks lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Builds and runs.
pub fn run(options: &Options) -> Result<ExitCode> {
    places::build(Profile::Release)?;
    let mut command = Command::new(places::programs(Profile::Release).join("bench"));
    command.args(&options.arguments).current_dir(places::root());
    process::succeed(&mut command).context("the benchmarks did not finish")?;
    Ok(ExitCode::SUCCESS)
}
