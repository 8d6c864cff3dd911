//! Checks that read the sources without running them. Each counts as one test.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::tally::Tally;
use crate::python::{self, Environment};
use crate::{console, places, process};

/// The linters, pinned, so that a new release of one turns nothing red.
const LINTERS: [&str; 3] = ["ruff==0.14.5", "mypy==1.18.2", "pytest==9.2.0"];
/// Folders with Python in them, from the root.
const PYTHON_FOLDERS: [&str; 5] = ["worker", "tests", "demo", "chaos", "deploy"];

/// rustfmt.
pub(super) fn format() -> Result<Tally> {
    let mut cargo = places::cargo();
    check("rustfmt", cargo.args(["fmt", "--all", "--check"]))
}

/// clippy, ruff and mypy.
pub(super) fn lint() -> Result<Tally> {
    let mut tally = Tally::default();
    let mut clippy = places::cargo();
    clippy.args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--quiet",
    ]);
    tally += check("clippy", clippy.args(["--", "--deny", "warnings"]))?;

    let packages = LINTERS.map(str::to_owned);
    let environment = Environment::with(&python::newest()?, "linters", &packages)?;
    let root = places::root();
    let tool = |module: &str, arguments: &[&str], folder: &Path| {
        let mut command = environment.command();
        command
            .args(["-m", module])
            .args(arguments)
            .current_dir(folder);
        command
    };
    let mut ruff = tool("ruff", &["check", "--quiet"], &root);
    tally += check("ruff", ruff.args(PYTHON_FOLDERS))?;
    let mut ruff = tool("ruff", &["format", "--check", "--quiet"], &root);
    tally += check("ruff format", ruff.args(PYTHON_FOLDERS))?;
    let mut mypy = tool(
        "mypy",
        &["--strict", "python/pytest_platform"],
        &root.join("worker"),
    );
    tally += check("mypy", &mut mypy)?;
    Ok(tally)
}

fn check(name: &str, command: &mut Command) -> Result<Tally> {
    let status = process::lines(command, |line| console::line(line))?;
    let verdict = if status.success() { "ok" } else { "FAILED" };
    console::line(format_args!("{name}: {verdict}"));
    Ok(Tally::check(status.success()))
}
