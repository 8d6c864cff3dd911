//! The programs under test, kept as they were at the start.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use xtask::places::{self, Profile};

use super::make_folder;

/// Paths of the programs.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    /// The master.
    pub(crate) master: PathBuf,
    /// The worker.
    pub(crate) worker: PathBuf,
    /// A Python with pytest and pytest-xdist.
    pub(crate) python: PathBuf,
}

impl Programs {
    /// Keeps the programs of the last build in this folder: a build that ends meanwhile would
    /// otherwise change what is tested half-way.
    pub(crate) fn keep(python: &Path, folder: &Path) -> Result<Self> {
        let folder = make_folder(&folder.join("programs"))?;
        Ok(Self {
            master: keep(&places::master(Profile::Dev), &folder)?,
            worker: keep(&places::worker(Profile::Dev), &folder)?,
            python: std::path::absolute(python)?,
        })
    }
}

fn keep(program: &Path, folder: &Path) -> Result<PathBuf> {
    let name = program.file_name().context("a program without a name")?;
    let kept = folder.join(name);
    // A second name for the same file costs nothing; a temporary folder may be on another disk.
    std::fs::hard_link(program, &kept)
        .or_else(|_| std::fs::copy(program, &kept).map(drop))
        .with_context(|| format!("cannot keep {}", program.display()))?;
    Ok(kept)
}
