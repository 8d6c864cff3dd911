//! What is kept of a run that goes on, as it is kept: JSON, packed.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shared::case::NewCase;
use shared::run::NewRun;
use shared::stream::Progress;

use super::{StoreError, texts};

/// The cases of a batch. Seconds stand beside as their bits: a number that is written as a text and
/// read again may differ in its last bit, and with it the content of the run.
#[derive(Debug, Serialize, Deserialize)]
struct PackedCases {
    cases: Vec<NewCase>,
    /// Duration, setup, call and teardown of each case.
    seconds: Vec<[Option<u64>; 4]>,
}

/// Packs the cases of a batch.
pub(crate) fn pack_cases(mut cases: Vec<NewCase>) -> Result<Vec<u8>, StoreError> {
    let seconds = cases
        .iter_mut()
        .map(|case| seconds(case).map(|seconds| seconds.take().map(f64::to_bits)))
        .collect();
    pack("batch", &PackedCases { cases, seconds })
}

/// The inverse of [`pack_cases`].
pub(crate) fn unpack_cases(packed: &[u8]) -> Result<Vec<NewCase>, StoreError> {
    let PackedCases {
        mut cases,
        seconds: bits,
    } = unpack("batch", packed)?;
    if cases.len() != bits.len() {
        return Err(StoreError::damaged("batch", "cases lack their durations"));
    }
    for (case, bits) in cases.iter_mut().zip(bits) {
        for (seconds, bits) in seconds(case).into_iter().zip(bits) {
            *seconds = bits.map(f64::from_bits);
        }
    }
    Ok(cases)
}

fn seconds(case: &mut NewCase) -> [&mut Option<f64>; 4] {
    [
        &mut case.duration,
        &mut case.setup,
        &mut case.call,
        &mut case.teardown,
    ]
}

/// Packs an opening that is JSON already.
pub(crate) fn pack_opening(json: &[u8]) -> Vec<u8> {
    texts::pack(json)
}

/// The inverse of [`pack_opening`].
pub(crate) fn unpack_opening(packed: &[u8]) -> Result<NewRun, StoreError> {
    unpack("opening", packed)
}

/// Packs how far a run is.
pub(crate) fn pack_progress(progress: &Progress) -> Result<Vec<u8>, StoreError> {
    pack("progress", progress)
}

/// The inverse of [`pack_progress`].
pub(crate) fn unpack_progress(packed: &[u8]) -> Result<Progress, StoreError> {
    unpack("progress", packed)
}

fn pack(what: &str, value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    let json = serde_json::to_vec(value).map_err(|error| StoreError::damaged(what, error))?;
    Ok(texts::pack(&json))
}

fn unpack<T: DeserializeOwned>(what: &str, packed: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(&texts::unpack(packed)?)
        .map_err(|error| StoreError::damaged(what, error))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shared::outcome::Outcome;

    use super::*;

    proptest! {
        #[test]
        fn not_a_bit_of_a_case_is_lost(bits in proptest::collection::vec(any::<u32>(), 0..40)) {
            let cases: Vec<NewCase> = bits
                .iter()
                .map(|bits| NewCase {
                    duration: Some(f64::from(*bits) / 3e9),
                    call: (bits % 2 == 0).then(|| f64::from(*bits) / 7e12),
                    message: Some("ü\u{1f600}\n".to_owned()),
                    ..NewCase::new(format!("t.py::{bits}"), Outcome::Failed)
                })
                .collect();
            let packed = pack_cases(cases.clone()).unwrap();
            prop_assert_eq!(unpack_cases(&packed).unwrap(), cases);
        }
    }
}
