//! `cargo xtask demo`: the whole way of a result, on a real project and on a sample one.

mod mcp_client;
mod projects;
mod report;
mod tools;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::console::{self, Step};
use crate::master::Master;
use crate::places::{self, Profile};
use crate::python::{self, Environment};

/// Options of `cargo xtask demo`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Stay up until Ctrl-C, so that you can ask and look around
    #[arg(long)]
    serve: bool,
}

/// What the parts of the demo share.
struct Stage {
    folder: PathBuf,
    environment: Environment,
    master_url: String,
}

/// Builds, runs, asks, renders; ends with nothing left running.
pub fn run(options: &Options) -> Result<()> {
    let started = Instant::now();
    console::heading("pytest-platform demo");
    // The dev profile: a release build takes three times as long and shows nothing more.
    let step = Step::start("build");
    places::build(Profile::Dev)?;
    step.done("master, worker and MCP server");

    let folder = fresh_folder()?;
    let step = Step::start("python");
    let python = python::newest()?;
    let environment = Environment::with(&python, "demo", &projects::packages())?;
    step.done(format!("Python {} with pytest, from PyPI", python.version));

    let step = Step::start("master");
    let database = format!("sqlite://{}", folder.join("results.db").display());
    let master = Master::start(
        &places::master(Profile::Dev),
        &database,
        &folder.join("master.log"),
    )?;
    step.done(format!("{} with an empty SQLite database", master.url));

    let stage = Stage {
        folder,
        environment,
        master_url: master.url.clone(),
    };
    projects::run_real(&stage)?;
    projects::run_sample(&stage)?;
    tools::ask(&stage)?;
    report::write(&stage)?;

    if options.serve {
        serve(&stage);
    } else {
        master.end()?;
        after(&stage);
    }
    console::line(format_args!(
        "\n  All done in {}; nothing is left running.",
        console::seconds(started.elapsed())
    ));
    Ok(())
}

/// An empty folder for this demo; what an earlier one left there goes.
fn fresh_folder() -> Result<PathBuf> {
    let folder = places::target().join("demo");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

fn after(stage: &Stage) {
    console::heading("Where to look");
    look_at("report", stage.folder.join("report.html").display());
    look_at("pytest's output", stage.folder.join("*.log").display());
    look_at("database", stage.folder.join("results.db").display());
    look_at("ask yourself", "cargo xtask demo --serve");
}

/// Prints the links and stays until a signal ends the process and its children.
fn serve(stage: &Stage) -> ! {
    let url = &stage.master_url;
    console::heading("Still up; Ctrl-C ends it");
    look_at("report", stage.folder.join("report.html").display());
    look_at("runs", format!("{url}/results"));
    look_at("trend", format!("{url}/trend?project=shop"));
    look_at("API", format!("{url}/docs"));
    look_at(
        "AI tools",
        format!(
            "MASTER_URL={url} {}",
            places::mcp_server(Profile::Dev).display()
        ),
    );
    look_at(
        "your own tests",
        format!(
            "MASTER_URL={url} {} run -- tests/",
            places::worker(Profile::Dev).display()
        ),
    );
    loop {
        std::thread::park();
    }
}

fn look_at(what: &str, place: impl std::fmt::Display) {
    console::line(format_args!("  {what:<18}{place}"));
}
