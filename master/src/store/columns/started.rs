//! When each case started, as its distance from when it was to be expected.
//!
//! In one process a test starts when the one before it ends. So the expected start of a case is the
//! start of the case before it on the same xdist worker plus that case's duration, and what is
//! stored is the difference in milliseconds: mostly 0 or 1.

use super::ColumnsError;
use super::varint::{self, Reader};

/// Milliseconds of a duration in units of 10 µs, rounded down.
const UNITS_PER_MS: u64 = 100;

/// The start that each xdist worker's next case is expected at.
#[derive(Default)]
struct Expected {
    first: Option<i64>,
    by_worker: Vec<Option<i64>>,
}

impl Expected {
    fn of(&self, worker: u32) -> i64 {
        let known = self.by_worker.get(worker as usize).copied().flatten();
        known.or(self.first).unwrap_or(0)
    }

    fn learn(&mut self, worker: u32, started_ms: i64, units: u64) {
        self.first = self.first.or(Some(started_ms));
        let worker = worker as usize;
        if worker >= self.by_worker.len() {
            self.by_worker.resize(worker + 1, None);
        }
        let end = started_ms.saturating_add_unsigned(units / UNITS_PER_MS);
        self.by_worker[worker] = Some(end);
    }
}

/// Writes the column; each item is worker number, start in ms since 1970, duration in units.
/// Nothing is written when no case has a start.
pub(super) fn encode(items: &[(u32, Option<i64>, u64)]) -> Vec<u8> {
    if items.iter().all(|item| item.1.is_none()) {
        return Vec::new();
    }
    let mut bytes = Vec::with_capacity(items.len() + 8);
    let mut expected = Expected::default();
    for &(worker, started_ms, units) in items {
        let distance = started_ms.map(|ms| varint::zigzag(ms.wrapping_sub(expected.of(worker))));
        varint::put_optional(&mut bytes, distance);
        if let Some(ms) = started_ms {
            expected.learn(worker, ms, units);
        }
    }
    bytes
}

/// Reads the column of as many cases as there are `items`: worker number and duration in units.
pub(super) fn decode(
    bytes: &[u8],
    items: impl Iterator<Item = (u32, u64)>,
) -> Result<Vec<Option<i64>>, ColumnsError> {
    let mut reader = Reader::new(bytes);
    let mut expected = Expected::default();
    let mut starts = Vec::new();
    for (worker, units) in items {
        let started_ms = reader
            .optional()?
            .map(|distance| expected.of(worker).wrapping_add(varint::unzigzag(distance)));
        if let Some(ms) = started_ms {
            expected.learn(worker, ms, units);
        }
        starts.push(started_ms);
    }
    Ok(starts)
}
