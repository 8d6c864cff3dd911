//! Tests of the pytest plugin, on every Python that is found and on several pytests.

use anyhow::{Result, bail};

use super::counted;
use super::tally::Tally;
use crate::python::{self, Environment, Python};
use crate::{console, places};

/// A pytest to test on: its version, and the minor versions of Python 3 that can run it.
const PYTESTS: [(&str, std::ops::RangeInclusive<u32>); 3] =
    [("7.4.4", 8..=13), ("8.3.5", 8..=14), ("9.2.0", 10..=14)];

/// Plugins whose sessions the tests look into.
const BESIDE: [&str; 2] = ["pytest-xdist", "pytest-rerunfailures"];

/// Runs the plugin's tests once for each pair.
pub(super) fn run() -> Result<Tally> {
    let pythons = python::all();
    let found: Vec<_> = pythons
        .values()
        .map(|python| python.version.as_str())
        .collect();
    console::line(format_args!("Pythons found: {}", found.join(", ")));
    if found.is_empty() {
        bail!("no Python to test on; on Debian and Ubuntu: apt-get install python3 python3-venv");
    }
    let mut tally = Tally::default();
    for python in pythons.values() {
        for (pytest, minors) in PYTESTS {
            if minors.contains(&python.minor) {
                tally += pair(python, pytest)?;
            }
        }
    }
    Ok(tally)
}

fn pair(python: &Python, pytest: &str) -> Result<Tally> {
    console::heading(format_args!("Python {}, pytest {pytest}", python.version));
    let name = format!("python3.{}-pytest{pytest}", python.minor);
    let mut packages = vec![format!("pytest=={pytest}")];
    packages.extend(BESIDE.map(str::to_owned));
    let environment = Environment::with(python, &name, &packages)?;
    let mut command = environment.command();
    command
        .args([
            "-m",
            "pytest",
            "--quiet",
            "-p",
            "no:cacheprovider",
            "python/tests",
        ])
        .current_dir(places::root().join("worker"))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    counted(&mut command)
}
