//! Whole-system stories in `tests/`, run through the worker itself against a real master.

use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::counted;
use super::tally::Tally;
use crate::master::Master;
use crate::places::{self, Profile};
use crate::python::{self, Environment};
use crate::{console, http};

/// The project's name on the master that watches over its own tests.
const PROJECT: &str = "pytest-platform";

/// Runs the stories, then checks that the run about them arrived whole.
pub(super) fn run(postgres_url: &str) -> Result<Tally> {
    places::build(Profile::Dev)?;
    let requirements = places::root().join("tests/requirements.txt");
    let requirements = std::fs::read_to_string(&requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    let packages: Vec<_> = requirements
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    let environment = Environment::with(&python::newest()?, "end-to-end", &packages)?;
    let folder = places::target().join("test");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    let database = format!("sqlite://{}", folder.join("results.db").display());
    let master = Master::start(
        &places::master(Profile::Dev),
        &database,
        &folder.join("master.log"),
    )?;
    let mut worker = Command::new(places::worker(Profile::Dev));
    environment.activate(&mut worker);
    worker
        .args(["run", "--", "tests", "-p", "no:cacheprovider"])
        // The real suites take as long as all the rest; a file's tests share what they install.
        .args(["-n", "2", "--dist", "loadfile"])
        .current_dir(places::root())
        .env("MASTER_URL", &master.url)
        .env("PROJECT", PROJECT)
        .env("WORKER_STATE_DIR", folder.join("state"))
        .env("TEST_POSTGRES_URL", postgres_url)
        .env("TEST_PROGRAMS", places::programs(Profile::Dev))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let mut tally = counted(&mut worker)?;
    let arrived = arrived_whole(&master.url, tally);
    if let Err(error) = &arrived {
        console::error(error);
    }
    tally += Tally::check(arrived.is_ok());
    master.end()?;
    Ok(tally)
}

/// Whether the master knows as many results as pytest's last line counted.
fn arrived_whole(master_url: &str, counted: Tally) -> Result<()> {
    let runs = http::get_json(master_url, &format!("/results?project={PROJECT}"))?;
    let [run] = runs.as_array().map_or(&[][..], Vec::as_slice) else {
        bail!("the worker that ran the tests reported no run, or more than one: {runs}");
    };
    let run_id = run["run_id"].as_str().context("a run without an id")?;
    let run = http::get_json(master_url, &format!("/results/{run_id}"))?;
    let count = |field: &str| run[field].as_u64().unwrap_or(0);
    let stored = Tally {
        passed: count("passed") + count("xfailed"),
        failed: count("failed") + count("error") + count("xpassed"),
        skipped: count("skipped"),
    };
    if run["complete"] != Value::Bool(true) || stored != counted {
        bail!("pytest counted {counted:?}, the master has {stored:?} in {run}");
    }
    console::line(format_args!(
        "the worker reported this run whole: {} results",
        count("reported")
    ));
    Ok(())
}
