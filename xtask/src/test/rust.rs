//! Tests of the Rust crates.

use anyhow::Result;

use super::counted;
use super::tally::Tally;
use crate::{places, python};

/// Runs them, the store's on both engines.
pub(super) fn run(postgres_url: &str) -> Result<Tally> {
    let mut cargo = places::cargo();
    cargo
        .args(["test", "--workspace", "--locked", "--no-fail-fast"])
        .env("TEST_POSTGRES_URL", postgres_url)
        .env("TEST_PYTHON", python::newest()?.path);
    counted(&mut cargo)
}
