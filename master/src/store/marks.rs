//! What each case of a batch counts as, without the case: enough to count a run that goes on, and to
//! find a case of it.

use super::StoreError;
use super::hash::Hash16;

/// Bytes of one mark.
const MARK_BYTES: usize = 17;

/// What a case adds to the counts of its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Stands for the nodeid, see [`key`]. Two tests of a run that share one, once in a hundred
    /// million runs, make the counts so far wrong by one until the run ends.
    pub(crate) test: u64,
    /// Occurrences of passed, failed, error and skipped.
    pub(crate) counts: [u16; 4],
    /// Whether the outcome of the case is `passed`.
    pub(crate) is_pass: bool,
}

impl Mark {
    /// Whether the case may be a bad one: it neither passed nor was only skipped.
    pub(crate) const fn may_be_bad(&self) -> bool {
        !self.is_pass && !matches!(self.counts, [0, 0, 0, (1..)])
    }
}

/// What stands for a nodeid in a mark.
pub(crate) fn key(nodeid: &str) -> u64 {
    let hash = Hash16::of(nodeid.as_bytes()).0;
    let (key, _) = hash.split_first_chunk().unwrap_or((&[0; 8], &[]));
    u64::from_le_bytes(*key)
}

/// Writes marks, to be stored.
pub(crate) fn pack(marks: impl ExactSizeIterator<Item = Mark>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(marks.len() * MARK_BYTES);
    for mark in marks {
        bytes.extend(mark.test.to_le_bytes());
        for count in mark.counts {
            bytes.extend(count.to_le_bytes());
        }
        bytes.push(u8::from(mark.is_pass));
    }
    bytes
}

/// The inverse of [`pack`].
pub(crate) fn unpack(bytes: &[u8]) -> Result<impl Iterator<Item = Mark>, StoreError> {
    let (marks, rest) = bytes.as_chunks::<MARK_BYTES>();
    if !rest.is_empty() {
        return Err(StoreError::damaged("marks", "they end too early"));
    }
    Ok(marks.iter().map(mark))
}

fn mark(bytes: &[u8; MARK_BYTES]) -> Mark {
    let (numbers, is_pass) = bytes.split_at(MARK_BYTES - 1);
    let (test, counts) = numbers.split_at(size_of::<u64>());
    let mut mark = Mark {
        test: 0,
        counts: [0; 4],
        is_pass: is_pass[0] != 0,
    };
    for byte in test.iter().rev() {
        mark.test = mark.test << 8 | u64::from(*byte);
    }
    let (pairs, _) = counts.as_chunks::<2>();
    for (count, pair) in mark.counts.iter_mut().zip(pairs) {
        *count = u16::from_le_bytes(*pair);
    }
    mark
}
