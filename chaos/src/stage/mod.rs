//! What is broken, and what it is broken with: databases, masters, workers, clients.

pub(crate) mod agent;
pub(crate) mod client;
pub(crate) mod clock;
pub(crate) mod coverage;
pub(crate) mod crowd;
pub(crate) mod database;
pub(crate) mod master;
pub(crate) mod programs;
pub(crate) mod shim;
pub(crate) mod small_disk;
pub(crate) mod suite;
pub(crate) mod truth;
pub(crate) mod worker;

pub(crate) use database::{Database, Engine};
pub(crate) use master::{Launch, Master};
pub(crate) use programs::Programs;
pub(crate) use suite::Suite;
pub(crate) use worker::Worker;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use xtask::random::Random;

/// What every fault needs to know.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    /// What is under test.
    pub(crate) programs: Programs,
    /// Where the random numbers of this fault begin.
    pub(crate) seed: u64,
    /// The database.
    pub(crate) engine: Engine,
    /// When to stop beginning new rounds.
    pub(crate) until: Instant,
    /// The form that every test run can afford.
    pub(crate) short: bool,
    /// A folder of this fault's own.
    pub(crate) folder: PathBuf,
}

impl Setting {
    /// Random numbers of one round.
    pub(crate) fn random(&self, round: u64) -> Random {
        Random::new(self.seed ^ round.wrapping_mul(0x2545_f491_4f6c_dd1d))
    }

    /// Whether there is time for another round. The first ones are always made: without them the
    /// fault was not tried at all.
    pub(crate) fn goes_on(&self, round: u64, rounds_min: u64, rounds_max: u64) -> bool {
        let enough = if self.short { rounds_min } else { rounds_max };
        round < rounds_min.min(enough) || (round < enough && Instant::now() < self.until)
    }

    /// A new folder in the fault's own.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        make_folder(&self.folder.join(name))
    }
}

/// Makes a folder with everything above it.
pub(crate) fn make_folder(path: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?;
    Ok(path.to_owned())
}
