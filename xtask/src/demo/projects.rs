//! The two projects whose tests the demo runs, each through the real worker.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::Stage;
use crate::console::{self, Step};
use crate::places::{self, Profile};
use crate::{http, process};

/// The real project: 297 tests in two seconds, one dependency, Python 3.8 and newer.
const NAME: &str = "itsdangerous";
const VERSION: &str = "2.2.0";
const SDIST_SHA256: &str = "e0050c0b7da1eea53ffaf149c0cfbb5c6e2e2b69c4bef22c81fa6eb73e5f6173";

/// What both projects need.
pub(super) fn packages() -> Vec<String> {
    let names = ["pytest>=7,<10", "freezegun==1.5.5"];
    let mut packages: Vec<_> = names.into_iter().map(str::to_owned).collect();
    packages.push(format!("{NAME}=={VERSION}"));
    packages
}

/// Fetches the real project from PyPI and runs its suite.
pub(super) fn run_real(stage: &Stage) -> Result<()> {
    let step = Step::start("fetch");
    let sources = fetch(stage)?;
    step.done(format!("{NAME} {VERSION}, its source from PyPI"));
    run(stage, NAME, NAME, &sources, 1)
}

/// Runs the sample project twice: the flaky test fails the first time.
pub(super) fn run_sample(stage: &Stage) -> Result<()> {
    let sources = places::root().join("demo/shop");
    for number in 1..=2 {
        run(
            stage,
            "shop",
            &format!("shop, run {number}"),
            &sources,
            number,
        )?;
    }
    Ok(())
}

fn fetch(stage: &Stage) -> Result<PathBuf> {
    let folder = places::target().join("sdists");
    let unpacked = stage.folder.join(format!("{NAME}-{VERSION}"));
    let archive = folder.join(format!("{NAME}-{VERSION}.tar.gz"));
    if !archive.is_file() {
        std::fs::create_dir_all(&folder)?;
        let pinned = folder.join(format!("{NAME}.txt"));
        let line = format!("{NAME}=={VERSION} --hash=sha256:{SDIST_SHA256}\n");
        std::fs::write(&pinned, line)?;
        let mut pip = stage.environment.command();
        pip.args(["-m", "pip", "download", "--quiet", "--no-deps"])
            .args(["--no-binary", NAME, "--require-hashes", "--dest"])
            .arg(&folder)
            .arg("--cache-dir")
            .arg(crate::python::pip_cache())
            .arg("--requirement")
            .arg(&pinned);
        process::output(&mut pip).context("cannot fetch the real project from PyPI")?;
    }
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(&archive).arg("-C").arg(&stage.folder);
    process::output(&mut tar).context("cannot unpack the real project")?;
    Ok(unpacked)
}

/// Runs one suite through the worker, and shows what the master then knows of it.
fn run(stage: &Stage, project: &str, title: &str, sources: &Path, number: u32) -> Result<()> {
    let step = Step::start(title);
    let log = stage.folder.join(format!("{project}-{number}.log"));
    let mut worker = Command::new(places::worker(Profile::Dev));
    stage.environment.activate(&mut worker);
    worker
        .args(["run", "--", "-p", "no:cacheprovider"])
        .current_dir(sources)
        .env("MASTER_URL", &stage.master_url)
        .env("WORKER_ID", "demo")
        .env("WORKER_STATE_DIR", stage.folder.join("worker"))
        .env("PROJECT", project)
        .env("BRANCH", "main")
        .env("SHOP_RUN", number.to_string())
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let mut text = String::new();
    let status = process::lines(&mut worker, |line| {
        text.push_str(line);
        text.push('\n');
    })?;
    std::fs::write(&log, &text)?;
    let run = newest_run(stage, project, number)
        .with_context(|| format!("the run is not on the master; see {}", log.display()))?;
    step.done(counts(&run));
    console::detail(format_args!(
        "status {}, pytest's exit code {}, {} of {} tests stored",
        text_of(&run, "status"),
        status.code().map_or("none".into(), |code| code.to_string()),
        run["reported"],
        run["collected"],
    ));
    if run["complete"] != Value::Bool(true) {
        bail!("the run is not complete; see {}", log.display());
    }
    Ok(())
}

/// The newest run of the project, which has to be the one with this number.
fn newest_run(stage: &Stage, project: &str, number: u32) -> Result<Value> {
    let runs = http::get_json(&stage.master_url, &format!("/results?project={project}"))?;
    let runs = runs.as_array().context("no list of runs")?;
    if runs.len() != number as usize {
        bail!("expected {number} runs of {project}, found {}", runs.len());
    }
    let run_id = runs[0]["run_id"].as_str().context("a run without an id")?;
    http::get_json(&stage.master_url, &format!("/results/{run_id}"))
}

/// The counts that are not zero, in pytest's words.
fn counts(run: &Value) -> String {
    let fields = ["failed", "error", "passed", "skipped", "xfailed", "xpassed"];
    let counted = fields.into_iter().filter_map(|field| {
        let count = run[field].as_u64().filter(|&count| count > 0)?;
        let plural = if field == "error" && count > 1 {
            "s"
        } else {
            ""
        };
        Some(format!("{count} {field}{plural}"))
    });
    counted.collect::<Vec<_>>().join(", ")
}

fn text_of<'a>(run: &'a Value, field: &str) -> &'a str {
    run[field].as_str().unwrap_or("unknown")
}
