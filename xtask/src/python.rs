//! Pythons found on this machine, and virtual environments made from them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{places, process};

/// Oldest and newest minor version of Python 3 that the plugin serves.
const MINORS: std::ops::RangeInclusive<u32> = 8..=14;
/// Prints the version, and fails where a virtual environment cannot be made.
const PROBE: &str = "import sys; print(*sys.version_info[:3], sep='.'); \
                     import venv, ensurepip; print('venv')";

/// A Python that can make virtual environments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Python {
    /// The interpreter.
    pub path: PathBuf,
    /// Such as `3.12.1`.
    pub version: String,
    /// The 12 of 3.12.
    pub minor: u32,
}

/// The newest usable `python3`, or why there is none.
pub fn newest() -> Result<Python> {
    let (found, broken) = search();
    if let Some(python) = found.into_values().next_back() {
        return Ok(python);
    }
    if let Some(path) = broken.first() {
        bail!(
            "{} has no venv module; on Debian and Ubuntu: apt-get install python3-venv",
            path.display()
        );
    }
    bail!(
        "no Python 3.{} to 3.{} on the PATH; on Debian and Ubuntu: \
         apt-get install python3 python3-venv",
        MINORS.start(),
        MINORS.end()
    )
}

/// Every usable Python by minor version: those on the PATH, and those of pyenv.
pub fn all() -> BTreeMap<u32, Python> {
    search().0
}

fn search() -> (BTreeMap<u32, Python>, Vec<PathBuf>) {
    let mut found = BTreeMap::new();
    let mut broken = Vec::new();
    for path in candidates() {
        match probe(&path) {
            Some((version, true)) if MINORS.contains(&version.1) => {
                found.entry(version.1).or_insert(Python {
                    path,
                    version: version.0,
                    minor: version.1,
                });
            }
            Some((_, false)) => broken.push(path),
            _ => {}
        }
    }
    (found, broken)
}

fn candidates() -> Vec<PathBuf> {
    let names = std::iter::once("python3".to_owned())
        .chain(MINORS.map(|minor| format!("python3.{minor}")))
        .collect::<Vec<_>>();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found: Vec<_> = std::env::split_paths(&path)
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
        .filter(|path| path.is_file())
        .collect();
    let pyenv = std::env::var_os("PYENV_ROOT")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".pyenv")));
    let versions = pyenv.and_then(|root| std::fs::read_dir(root.join("versions")).ok());
    found.extend(
        versions
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path().join("bin/python"))
            .filter(|path| path.is_file()),
    );
    found
}

fn probe(path: &Path) -> Option<((String, u32), bool)> {
    let output = Command::new(path).args(["-c", PROBE]).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.lines().next()?;
    let mut parts = version.split('.');
    let (major, minor) = (parts.next()?, parts.next()?.parse().ok()?);
    let usable = output.status.success() && text.lines().any(|line| line == "venv");
    (major == "3").then(|| ((version.to_owned(), minor), usable))
}

/// A virtual environment, kept under the target folder and made once.
#[derive(Debug, Clone)]
pub struct Environment {
    folder: PathBuf,
}

impl Environment {
    /// Makes the environment with these packages, or takes the one that an earlier command made.
    pub fn with(python: &Python, name: &str, packages: &[String]) -> Result<Self> {
        let folder = places::target().join("environments").join(name);
        let stamp = folder.join("made-of.txt");
        let content = format!(
            "{} {}\n{}\n",
            python.path.display(),
            python.version,
            packages.join("\n")
        );
        let environment = Self { folder };
        if std::fs::read_to_string(&stamp).is_ok_and(|made| made == content) {
            return Ok(environment);
        }
        environment.make(python)?;
        if !packages.is_empty() {
            environment.pip(packages)?;
        }
        std::fs::write(&stamp, content)
            .with_context(|| format!("cannot write {}", stamp.display()))?;
        Ok(environment)
    }

    fn make(&self, python: &Python) -> Result<()> {
        if self.folder.exists() {
            std::fs::remove_dir_all(&self.folder)
                .with_context(|| format!("cannot remove {}", self.folder.display()))?;
        }
        process::output(
            Command::new(&python.path)
                .args(["-m", "venv"])
                .arg(&self.folder),
        )
        .with_context(|| format!("cannot make a virtual environment with {}", python.version))?;
        Ok(())
    }

    fn pip(&self, packages: &[String]) -> Result<()> {
        let mut command = self.command();
        command
            .args(["-m", "pip", "install", "--quiet"])
            .arg("--cache-dir")
            .arg(pip_cache())
            .args(packages);
        process::output(&mut command).context("cannot install packages from PyPI")?;
        Ok(())
    }

    /// The environment's interpreter.
    pub fn python(&self) -> PathBuf {
        self.folder.join("bin/python")
    }

    /// A command of the environment's interpreter, with the environment's programs first on the
    /// PATH.
    pub fn command(&self) -> Command {
        let mut command = Command::new(self.python());
        self.activate(&mut command);
        command
    }

    /// Makes another command see the environment as the active one.
    pub fn activate(&self, command: &mut Command) {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(self.folder.join("bin")).chain(std::env::split_paths(&path));
        if let Ok(joined) = std::env::join_paths(folders) {
            command.env("PATH", joined);
        }
        command
            .env("VIRTUAL_ENV", &self.folder)
            .env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
            .env_remove("PYTHONHOME");
    }
}

/// Where pip keeps what it fetched.
pub fn pip_cache() -> PathBuf {
    places::target().join("pip-cache")
}
