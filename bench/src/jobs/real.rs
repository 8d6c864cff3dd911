//! The same two times with a real agent and real pytest.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;
use xtask::console;
use xtask::places::{self, Profile};
use xtask::process::Guarded;
use xtask::python::{self, Environment};

use super::client::{Client, FILE as TRIVIAL};
use super::follow::{self, figures, wait};
use super::{Stage, start};
use crate::command_line::Setting;
use crate::figures::{Figure, Target};
use crate::statistics::{median, percentile};

/// The file of the library whose test writes.
pub(super) const FILE: &str = "test_writes.py";
/// A test that says every now and then what time it is.
pub(super) const TESTS: &str = "\
import time


def test_it():
    for _ in range(100):
        print(f'\\nwritten at {time.time_ns()}', flush=True)
        time.sleep(0.02)
";

/// Jobs of a real agent: a job's `created_at` to the `started_at` of its first step, both by the clock of
/// this machine; and each line from the test's `print` to the reader.
pub(super) fn measure(stage: &Stage, setting: &Setting) -> Result<Vec<Figure>> {
    let packages = ["pytest==9.2.0".to_owned()];
    let environment = Environment::with(&python::newest()?, "bench", &packages)?;
    let folder = setting.folder.join(format!(
        "agent-{}",
        stage
            .library
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default()
    ));
    std::fs::create_dir_all(&folder)?;
    let mut agent = start_agent(stage.agents_url(), &environment.python(), &folder)?;
    let found = jobs(stage, setting).with_context(|| {
        let said = std::fs::read_to_string(folder.join("agent.log")).unwrap_or_default();
        format!("the agent said:\n{said}")
    });
    agent.end()?;
    found
}

fn jobs(stage: &Stage, setting: &Setting) -> Result<Vec<Figure>> {
    let rounds = if setting.quick { 3 } else { 20 };
    let mut client = Client::open(&stage.front.url)?;
    let mut times = Vec::new();
    for _ in 0..rounds {
        let id = client.create(TRIVIAL, None)?;
        let job = wait_passed(&mut client, id)?;
        let step = &job["attempts"][0]["steps"][0]["started_at"];
        times.push(milliseconds(&job["created_at"], step)?);
    }
    let p95 = percentile(&times, 0.95);
    let note = format!("p50 {:.1} ms", median(&times));
    console::line(format_args!(
        "jobs: {}: real agent, created to first step p95 {p95:.1} ms, {note}",
        stage.engine
    ));
    let name = format!("the same with a real agent, p95, {}", stage.engine);
    let figure = Figure::new(name, p95, "ms").note(note);
    let mut all = vec![figure.with(Target::AtMost(start::P95_MAX_MS))];
    let id = client.create(FILE, None)?;
    let (ready, _is_ready) = mpsc::sync_channel(1);
    let times = std::thread::scope(|scope| {
        let reader = scope.spawn(move || follow::follow(&stage.front.url, id, &ready));
        reader.join().map_err(|_| anyhow!("the reader panicked"))?
    })?;
    if times.len() != 100 {
        bail!("100 lines were written, {} were read", times.len());
    }
    let name = format!(
        "line of a log, a real test's print to reader, {}",
        stage.engine
    );
    all.extend(figures(&name, &times));
    Ok(all)
}

fn wait_passed(client: &mut Client, id: i64) -> Result<Value> {
    wait("a job of the agent", || {
        let job = client.job(id)?;
        match job["state"].as_str() {
            Some("queued" | "running") => Ok(None),
            Some("passed") => Ok(Some(job)),
            _ => bail!("{job}"),
        }
    })
}

fn milliseconds(from: &Value, to: &Value) -> Result<f64> {
    let parse = |value: &Value| {
        let text = value.as_str().context("no time")?;
        chrono::DateTime::parse_from_rfc3339(text).with_context(|| format!("{text} is no time"))
    };
    let microseconds = (parse(to)? - parse(from)?).num_microseconds();
    Ok(microseconds.context("too long")? as f64 / 1e3)
}

fn start_agent(url: &str, python: &Path, folder: &Path) -> Result<Guarded> {
    let log = std::fs::File::create(folder.join("agent.log"))?;
    let mut command = Command::new(places::worker(Profile::Release));
    command
        .args(["agent", "--name", "real", "--no-prepare", "--python"])
        .arg(python)
        .arg("--work-dir")
        .arg(folder.join("work"))
        .env("MASTER_URL", url)
        .env("WORKER_STATE_DIR", folder.join("state"))
        .env("XDG_STATE_HOME", folder.join("state"))
        .stdout(Stdio::null())
        .stderr(log);
    Guarded::start(&mut command)
}
