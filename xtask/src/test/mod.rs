//! `cargo xtask test`: every test of the project, step by step, all steps even when one fails.

mod chaos;
mod checks;
mod end_to_end;
mod plugin;
mod rust;
mod summary;
mod tally;

use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::Result;
use clap::ValueEnum;

use crate::postgres::Postgres;
use crate::{console, process, system};
use summary::Row;
use tally::Tally;

/// Options of `cargo xtask test`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Only these steps
    #[arg(value_enum)]
    steps: Vec<StepName>,
}

/// The steps, in the order in which they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StepName {
    /// rustfmt
    Format,
    /// clippy, ruff and mypy, warnings are errors
    Lint,
    /// Tests of the Rust crates, on SQLite and on a throw-away PostgreSQL
    Rust,
    /// Tests of the pytest plugin on every Python found and several pytests
    Plugin,
    /// Whole-system stories in tests/, run through the worker itself
    #[value(name = "e2e")]
    EndToEnd,
    /// Everything killed, starved and misled on purpose, in a short form
    Chaos,
}

impl StepName {
    fn run(self, resources: &mut Resources) -> Result<Tally> {
        match self {
            Self::Format => checks::format(),
            Self::Lint => checks::lint(),
            Self::Rust => rust::run(resources.postgres_url()?),
            Self::Plugin => plugin::run(),
            Self::EndToEnd => end_to_end::run(resources.postgres_url()?),
            Self::Chaos => chaos::run(),
        }
    }
}

/// What several steps use; made when the first of them asks, gone at the end.
#[derive(Default)]
struct Resources {
    postgres: Option<Postgres>,
}

impl Resources {
    fn postgres_url(&mut self) -> Result<&str> {
        if self.postgres.is_none() {
            let server = Postgres::start()?;
            console::line(format_args!(
                "a throw-away PostgreSQL {} listens at {}",
                server.version, server.url
            ));
            self.postgres = Some(server);
        }
        Ok(self.postgres.as_ref().map_or("", |server| &server.url))
    }
}

/// Runs the steps and prints what became of each; the last line is the total.
pub fn run(options: &Options) -> Result<ExitCode> {
    let installed = system::install(&system::PACKAGES)?;
    if !installed.is_empty() {
        console::line(format_args!("installed {}", installed.join(", ")));
    }
    let mut resources = Resources::default();
    let mut rows = Vec::new();
    for &step in StepName::value_variants() {
        if !options.steps.is_empty() && !options.steps.contains(&step) {
            continue;
        }
        let name = step.to_possible_value();
        let name = name.map_or(String::new(), |value| value.get_name().to_owned());
        console::heading(format_args!("── {name} ──"));
        let started = Instant::now();
        let result = step.run(&mut resources);
        process::give_way_to_signals();
        let tally = result.unwrap_or_else(|error| {
            console::error(&error);
            Tally::broken()
        });
        rows.push(Row {
            name,
            tally,
            time: started.elapsed(),
        });
    }
    drop(resources);
    Ok(summary::print(&rows))
}

/// Runs a command, passes its lines on, and counts what it tests.
fn counted(command: &mut Command) -> Result<Tally> {
    let mut tally = Tally::default();
    let status = process::lines(command, |line| {
        console::line(line);
        tally.add_line(line);
    })?;
    Ok(tally.of_a_run_that(status.success()))
}
