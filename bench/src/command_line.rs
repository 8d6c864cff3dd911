//! The command line: which benchmarks, and how long.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use xtask::{console, places, process};

use crate::figures::Figures;
use crate::{ingest, jobs, overhead, queries};

/// Measure, and compare with the targets.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench")]
struct CommandLine {
    /// Only these
    #[arg(value_enum)]
    which: Vec<Which>,
    /// Fewer rounds and smaller databases; nothing is kept
    #[arg(long)]
    quick: bool,
}

/// The benchmarks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    /// What collecting costs a test run
    Overhead,
    /// Cases per second, durable, over HTTP
    Ingest,
    /// Latency, size and memory as the history grows
    Queries,
    /// From a job's creation to its first step, leases per second, live logs
    Jobs,
}

/// What a benchmark needs to know.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Fewer rounds and smaller databases.
    pub(crate) quick: bool,
    /// An empty folder under the target folder.
    pub(crate) folder: PathBuf,
}

/// Runs the benchmarks that were asked for.
pub(crate) fn run() -> ExitCode {
    let command_line = CommandLine::parse();
    let outcome = process::end_children_on_signals().and_then(|()| measure(&command_line));
    process::give_way_to_signals();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            console::error(&error);
            ExitCode::FAILURE
        }
    }
}

fn measure(command_line: &CommandLine) -> Result<()> {
    let mut figures = Figures::load()?;
    for &which in Which::value_variants() {
        if !command_line.which.is_empty() && !command_line.which.contains(&which) {
            continue;
        }
        let setting = Setting {
            quick: command_line.quick,
            folder: fresh_folder(which)?,
        };
        let (name, rows) = match which {
            Which::Overhead => ("overhead", overhead::run(&setting)?),
            Which::Ingest => ("ingest", ingest::run(&setting)?),
            Which::Queries => ("queries", queries::run(&setting)?),
            Which::Jobs => ("jobs", jobs::run(&setting)?),
        };
        std::fs::remove_dir_all(&setting.folder).context("cannot clean up")?;
        figures.set(name, rows);
    }
    figures.print();
    if command_line.quick {
        console::line("\nquick: nothing was written");
        return Ok(());
    }
    figures.write()
}

fn fresh_folder(which: Which) -> Result<PathBuf> {
    let name = format!("{which:?}").to_lowercase();
    let folder = places::target().join("bench").join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}
