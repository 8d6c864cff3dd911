//! From a body to a run whose tests are named by hashes, ready to get their ids.

use chrono::{DateTime, Utc};
use rustc_hash::{FxHashMap, FxHashSet};
use shared::outcome::Outcome;
use shared::run::NewRun;
use shared::status::RunStatus;
use shared::validate::{self, Invalid};

use super::normalise::{self, NormalRun};
use crate::store::hash::Hash16;

/// No test has this id.
pub(super) const UNKNOWN: i64 = 0;

/// A run whose tests have hashes and are about to get ids.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) run: NormalRun,
    /// The project's id; 0 until looked up.
    pub(super) project: i64,
    /// The tests of the cases, or of the failures when there are no cases, in the order sent.
    pub(super) tests: Tests,
    /// Positions in `tests` of those that count as failed, each test once.
    pub(super) bad: Vec<usize>,
    /// The same tests in the dictionary of all projects.
    pub(super) bad_tests: Tests,
}

/// Hashes and ids of tests, side by side.
#[derive(Debug, Default)]
pub(super) struct Tests {
    pub(super) hashes: Vec<Hash16>,
    /// [`UNKNOWN`] until looked up.
    pub(super) ids: Vec<i64>,
}

impl Tests {
    fn new(hashes: Vec<Hash16>) -> Self {
        let ids = vec![UNKNOWN; hashes.len()];
        Self { hashes, ids }
    }

    /// Sets ids at positions.
    pub(super) fn set(&mut self, ids: &[(usize, i64)]) {
        for (position, id) in ids {
            self.ids[*position] = *id;
        }
    }

    /// Whether every test has its id.
    pub(super) fn is_known(&self) -> bool {
        self.ids.iter().all(|id| *id != UNKNOWN)
    }
}

impl Prepared {
    /// The nodeid at a position of `tests`.
    pub(super) fn nodeid(&self, position: usize) -> &str {
        match &self.run.cases {
            Some(cases) => &cases[position].nodeid,
            None => &self.run.failures[position].nodeid,
        }
    }
}

/// Checks a body, makes it whole and hashes its nodeids.
pub(super) fn prepare(run: NewRun, received_at: DateTime<Utc>) -> Result<Prepared, Invalid> {
    validate::run(&run)?;
    let run = normalise::run(run, received_at);
    let hashes: Vec<Hash16> = match &run.cases {
        Some(cases) => cases
            .iter()
            .map(|case| Hash16::of(case.nodeid.as_bytes()))
            .collect(),
        None => run
            .failures
            .iter()
            .map(|item| Hash16::of(item.nodeid.as_bytes()))
            .collect(),
    };
    let bad = bad(&run, &hashes);
    let bad_tests = Tests::new(bad.iter().map(|position| hashes[*position]).collect());
    Ok(Prepared {
        run,
        project: 0,
        tests: Tests::new(hashes),
        bad,
        bad_tests,
    })
}

/// Positions of the tests that count as failed, each test once.
fn bad(run: &NormalRun, hashes: &[Hash16]) -> Vec<usize> {
    let mut positions: Vec<usize> = (0..hashes.len()).collect();
    if let Some(cases) = &run.cases {
        // A test that was running when somebody stopped the session has not failed.
        let stopped = run.row.status == RunStatus::Interrupted.as_str();
        positions.retain(|position| {
            let outcome = cases[*position].outcome;
            outcome.is_bad() && !(stopped && outcome == Outcome::Crashed)
        });
    } else {
        let mut seen = FxHashSet::default();
        positions.retain(|position| seen.insert(hashes[*position]));
    }
    positions
}

/// Refuses a run that has a test twice, naming the second one.
pub(super) fn refuse_duplicates(prepared: &Prepared) -> Result<(), Invalid> {
    if prepared.run.cases.is_none() {
        return Ok(());
    }
    let mut first = FxHashMap::default();
    for (position, hash) in prepared.tests.hashes.iter().enumerate() {
        if let Some(earlier) = first.insert(*hash, position) {
            return Err(duplicate(position, earlier));
        }
    }
    Ok(())
}

/// The error about a test that a run has twice.
pub(super) fn duplicate(position: usize, earlier: usize) -> Invalid {
    Invalid::new(
        format!("cases[{position}].nodeid"),
        format!("is the same as cases[{earlier}].nodeid; a run has one case per nodeid"),
    )
}
