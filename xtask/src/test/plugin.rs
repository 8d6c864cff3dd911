//! Tests of the pytest plugin, on every Python that is found and on several pytests.

use std::sync::Mutex;

use anyhow::{Result, anyhow, bail};

use super::tally::Tally;
use crate::python::{self, Environment, Python};
use crate::{console, places, process};

/// A pytest to test on: its version, and the minor versions of Python 3 that can run it.
const PYTESTS: [(&str, std::ops::RangeInclusive<u32>); 3] =
    [("7.4.4", 8..=13), ("8.3.5", 8..=14), ("9.2.0", 10..=14)];

/// Plugins whose sessions the tests look into.
const BESIDE: [&str; 2] = ["pytest-xdist", "pytest-rerunfailures"];

/// Pairs tested at the same time: their tests mostly wait for processes to start.
const AT_ONCE: usize = 2;

/// A Python and the version of a pytest.
type Pair<'a> = (&'a Python, &'static str);

/// Runs the plugin's tests once for each pair.
pub(super) fn run() -> Result<Tally> {
    let pythons = python::all();
    let found: Vec<_> = pythons.values().map(|python| &*python.version).collect();
    console::line(format_args!("Pythons found: {}", found.join(", ")));
    if found.is_empty() {
        bail!("no Python to test on; on Debian and Ubuntu: apt-get install python3 python3-venv");
    }
    let pairs: Vec<Pair> = pythons
        .values()
        .flat_map(|python| {
            let fitting = PYTESTS
                .into_iter()
                .filter(|(_, minors)| minors.contains(&python.minor));
            fitting.map(move |(pytest, _)| (python, pytest))
        })
        .collect();
    all_pairs(&pairs)
}

fn all_pairs(pairs: &[Pair]) -> Result<Tally> {
    let waiting = Mutex::new(pairs.iter());
    let next = || {
        let mut waiting = waiting.lock();
        waiting.as_mut().ok().and_then(|pairs| pairs.next())
    };
    let work = || -> Result<Tally> {
        let mut tally = Tally::default();
        while let Some(&(python, pytest)) = next() {
            tally += one_pair(python, pytest)?;
        }
        Ok(tally)
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        let mut total = Tally::default();
        for thread in threads {
            total += thread.join().map_err(|_| anyhow!("a thread panicked"))??;
        }
        Ok(total)
    })
}

/// Prints only when it is done, so that two pairs do not mix their lines.
fn one_pair(python: &Python, pytest: &str) -> Result<Tally> {
    let name = format!("python3.{}-pytest{pytest}", python.minor);
    let mut packages = vec![format!("pytest=={pytest}")];
    packages.extend(BESIDE.map(str::to_owned));
    let environment = Environment::with(python, &name, &packages)?;
    let mut command = environment.command();
    command
        .args(["-m", "pytest", "--quiet", "-p", "no:cacheprovider"])
        .arg("python/tests")
        .current_dir(places::root().join("worker"))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let mut tally = Tally::default();
    let mut text = String::new();
    let status = process::lines(&mut command, |line| {
        tally.add_line(line);
        text.push_str(line);
        text.push('\n');
    })?;
    let title = format!("Python {}, pytest {pytest}", python.version);
    console::line(format_args!("\n{title}\n{}", text.trim_end()));
    Ok(tally.of_a_run_that(status.success()))
}
