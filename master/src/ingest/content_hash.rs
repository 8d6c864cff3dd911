//! The hash of a run's content: the same whenever the same would be stored. The time of receipt, and
//! a timestamp that was taken from it, are not part of it.

use super::normalise::NormalRun;
use crate::store::case_failures::NewCaseFailure;
use crate::store::columns::Sections;
use crate::store::failures::NewFailure;
use crate::store::hash::Hash16;

/// What [`of`] looks at besides the run itself.
pub(super) struct Content<'a> {
    pub(super) details: &'a [u8],
    pub(super) layout: Option<Hash16>,
    pub(super) columns: Option<&'a Sections>,
    pub(super) failures: &'a [NewFailure],
    pub(super) case_failures: &'a [NewCaseFailure],
}

/// Everything goes in with its length or as a fixed number of bytes, so that no two contents can
/// look the same.
struct Hashing(blake3::Hasher);

impl Hashing {
    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as i64);
        self.0.update(bytes);
    }

    fn number(&mut self, number: i64) {
        self.0.update(&number.to_le_bytes());
    }

    fn real(&mut self, real: Option<f64>) {
        // No real number of a run is NaN, so its bits can stand for an absent one.
        self.number(real.unwrap_or(f64::NAN).to_bits() as i64);
    }

    fn hash(&mut self, hash: Option<Hash16>) {
        self.bytes(hash.as_ref().map_or(&[], Hash16::bytes));
    }
}

/// The hash of a run's content.
pub(super) fn of(run: &NormalRun, content: &Content<'_>) -> Hash16 {
    let mut hashing = Hashing(blake3::Hasher::new());
    let row = &run.row;
    for text in [&row.worker_id, &row.project, &row.branch, &row.commit] {
        hashing.bytes(text.as_bytes());
    }
    hashing.bytes(row.status.as_bytes());
    hashing.number(i64::from(row.complete));
    hashing.number(if run.has_timestamp {
        row.timestamp_us
    } else {
        i64::MIN
    });
    for count in [row.passed, row.failed, row.error, row.skipped, row.total] {
        hashing.number(count);
    }
    hashing.real(Some(row.duration_s));
    hashing.real(Some(row.pass_rate));
    hashing.bytes(content.details);
    hashing.hash(content.layout);
    if let Some(columns) = content.columns {
        columns.feed(&mut hashing.0);
    }
    hashing.number(content.failures.len() as i64);
    for failure in content.failures {
        hashing.number(failure.position);
        hashing.number(failure.test);
        hashing.real(failure.duration_s);
        for phase in failure.phases_s {
            hashing.real(phase);
        }
        hashing.hash(failure.message);
    }
    for failure in content.case_failures {
        hashing.number(failure.position);
        hashing.number(failure.ordinal);
        hashing.bytes(failure.phase.as_bytes());
        hashing.number(failure.outcome.map_or(-1, i64::from));
        hashing.number(i64::from(failure.context.is_some()));
        hashing.bytes(failure.context.as_deref().unwrap_or_default().as_bytes());
        for text in failure.texts {
            hashing.hash(text);
        }
    }
    Hash16::from(hashing.0.finalize())
}
