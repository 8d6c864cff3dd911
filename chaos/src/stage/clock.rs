//! A clock that lies: libfaketime tells one program another time than the rest of the machine has.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use xtask::places;

/// The clock of one program, which can be stepped while it runs.
#[derive(Debug)]
pub(crate) struct Clock {
    file: PathBuf,
    library: PathBuf,
}

impl Clock {
    /// A clock that is off by so much, such as `+1d` or `-3600`.
    pub(crate) fn make(file: &Path, offset: &str) -> Result<Self> {
        let library = places::faketime()
            .context("libfaketime is missing; on Debian and Ubuntu: apt-get install libfaketime")?;
        let clock = Self {
            file: file.to_owned(),
            library,
        };
        clock.step(offset)?;
        Ok(clock)
    }

    /// Steps it: from now on it is off by so much.
    pub(crate) fn step(&self, offset: &str) -> Result<()> {
        // Renamed into place, so that nobody reads half an offset.
        let new = self.file.with_extension("new");
        std::fs::write(&new, format!("{offset}\n"))?;
        std::fs::rename(&new, &self.file).context("cannot step the clock")
    }

    /// The environment of the program that believes it. Only the time of day is a lie: the clock
    /// that measures intervals is not stepped on real machines either.
    pub(crate) fn variables(&self) -> Vec<(String, OsString)> {
        let variable = |name: &str, value: &str| (name.to_owned(), OsString::from(value));
        vec![
            ("LD_PRELOAD".to_owned(), self.library.clone().into()),
            (
                "FAKETIME_TIMESTAMP_FILE".to_owned(),
                self.file.clone().into(),
            ),
            variable("FAKETIME_NO_CACHE", "1"),
            variable("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            // Times of files stay as they are: nothing but clocks is under test.
            variable("NO_FAKE_STAT", "1"),
        ]
    }
}
