//! What each case of a batch counts as, without the case: enough to count a run that goes on.

use shared::case::NewCase;
use shared::outcome::Outcome;

use crate::ingest::counts::Counts;
use crate::store::StoreError;
use crate::store::hash::Hash16;

/// Bytes of one mark.
const MARK_BYTES: usize = 17;

/// What a case adds to the counts of its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// Stands for the nodeid. Two tests of a run that share one, once in a hundred million runs,
    /// make the counts so far wrong by one until the run ends.
    pub(super) test: u64,
    /// Occurrences of passed, failed, error and skipped.
    pub(super) counts: [u16; 4],
    /// Whether the outcome of the case is `passed`.
    pub(super) is_pass: bool,
}

impl Mark {
    fn of(case: &NewCase) -> Self {
        let counts = Counts::of(std::slice::from_ref(case));
        let occurrences = [
            Outcome::Passed,
            Outcome::Failed,
            Outcome::Error,
            Outcome::Skipped,
        ];
        let [a, b, c, d, e, f, g, h, ..] = Hash16::of(case.nodeid.as_bytes()).0;
        Self {
            test: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            counts: occurrences
                .map(|outcome| u16::try_from(counts.occurrences(outcome)).unwrap_or(u16::MAX)),
            is_pass: case.outcome == Outcome::Passed,
        }
    }
}

/// The marks of cases, to be stored.
pub(super) fn pack(cases: &[NewCase]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(cases.len() * MARK_BYTES);
    for mark in cases.iter().map(Mark::of) {
        bytes.extend(mark.test.to_le_bytes());
        for count in mark.counts {
            bytes.extend(count.to_le_bytes());
        }
        bytes.push(u8::from(mark.is_pass));
    }
    bytes
}

/// The inverse of [`pack`].
pub(super) fn unpack(bytes: &[u8]) -> Result<impl Iterator<Item = Mark>, StoreError> {
    let (marks, rest) = bytes.as_chunks::<MARK_BYTES>();
    if !rest.is_empty() {
        return Err(StoreError::damaged("marks", "they end too early"));
    }
    Ok(marks.iter().map(|bytes| {
        let [a, b, c, d, e, f, g, h, counts @ .., is_pass] = *bytes;
        let (pairs, _) = counts.as_chunks::<2>();
        let mut numbers = [0; 4];
        for (number, pair) in numbers.iter_mut().zip(pairs) {
            *number = u16::from_le_bytes(*pair);
        }
        Mark {
            test: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            counts: numbers,
            is_pass: is_pass != 0,
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_read_back_as_they_were_packed() {
        let cases = [
            NewCase::new("t.py::a", Outcome::Passed),
            NewCase {
                outcomes: Some(vec![Outcome::Passed, Outcome::Error]),
                ..NewCase::new("t.py::b", Outcome::Error)
            },
        ];
        let marks: Vec<Mark> = unpack(&pack(&cases)).unwrap().collect();
        assert_eq!(marks, cases.iter().map(Mark::of).collect::<Vec<_>>());
        assert_eq!((marks[1].counts, marks[1].is_pass), ([1, 0, 1, 0], false));
        assert!(unpack(&[0; MARK_BYTES + 1]).is_err());
    }
}
