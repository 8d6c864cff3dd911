//! The failing disk: compiles the shim, and tells it what is to fail.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use xtask::process;

use super::make_folder;

const SOURCE: &str = include_str!("../../shim/failing.c");

/// The library to preload.
#[derive(Debug, Clone)]
pub(crate) struct Shim {
    library: PathBuf,
}

/// What fails.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failure {
    /// In words.
    pub(crate) name: &'static str,
    /// Kinds of calls, as the shim knows them by their letters.
    pub(crate) calls: &'static str,
    /// `EIO` or `ENOSPC`.
    pub(crate) error: &'static str,
    /// How many calls fail, 0 for all from then on.
    pub(crate) times: u64,
    /// Whether a failing write has written its first half.
    pub(crate) torn: bool,
}

impl Failure {
    /// See the fields.
    pub(crate) const fn new(
        name: &'static str,
        calls: &'static str,
        error: &'static str,
        times: u64,
        torn: bool,
    ) -> Self {
        Self {
            name,
            calls,
            error,
            times,
            torn,
        }
    }
}

/// One use of the shim.
#[derive(Debug)]
pub(crate) struct Failing {
    count: PathBuf,
    /// The environment of the program whose disk fails.
    pub(crate) variables: Vec<(String, OsString)>,
}

impl Shim {
    /// Compiles it into a folder of this fault alone: faults run side by side, and one that shared
    /// the library would load what another is still writing.
    pub(crate) fn build(folder: &Path) -> Result<Self> {
        let folder = make_folder(&folder.join("shim"))?;
        let source = folder.join("failing.c");
        let library = folder.join("failing.so");
        std::fs::write(&source, SOURCE)?;
        let mut compile = Command::new("cc");
        compile
            .args([
                "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-o",
            ])
            .arg(&library)
            .arg(&source)
            .arg("-ldl");
        process::output(&mut compile).context("cannot compile the failing disk")?;
        Ok(Self { library })
    }

    /// Lets the Nth call of these kinds on files below a folder fail; none when `nth` is 0.
    pub(crate) fn fail(&self, below: &Path, failure: Failure, nth: u64) -> Result<Failing> {
        let count = below.with_extension("count");
        std::fs::write(&count, [0_u8; 16])?;
        let variable = |name: &str, value: OsString| (name.to_owned(), value);
        let variables = vec![
            variable("LD_PRELOAD", self.library.clone().into()),
            variable("CHAOS_FOLDER", below.into()),
            variable("CHAOS_CALLS", failure.calls.into()),
            variable("CHAOS_NTH", nth.to_string().into()),
            variable("CHAOS_TIMES", failure.times.to_string().into()),
            variable("CHAOS_ERROR", failure.error.into()),
            variable("CHAOS_TORN", u8::from(failure.torn).to_string().into()),
            variable("CHAOS_COUNT", count.clone().into()),
        ];
        Ok(Failing { count, variables })
    }
}

impl Failing {
    /// Calls seen, and calls that failed.
    pub(crate) fn counts(&self) -> Result<(u64, u64)> {
        let bytes = std::fs::read(&self.count)?;
        let number = |at: usize| {
            let part = bytes.get(at..at + 8)?;
            Some(u64::from_ne_bytes(part.try_into().ok()?))
        };
        let both = number(0).zip(number(8));
        both.context("the shim's counter is not what it was")
    }
}
