//! The fault tests in their short form, always with the same seed.

use anyhow::Result;

use super::counted;
use super::tally::Tally;
use crate::chaos;
use crate::places::{self, Profile};

/// The seed of the short form.
const SEED: &str = "1";

/// Runs them; each fault on each database counts as one test.
pub(super) fn run() -> Result<Tally> {
    places::build(Profile::Dev)?;
    counted(chaos::command()?.args(["--short", "--seed", SEED]))
}
