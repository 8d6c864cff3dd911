//! One batch of cases, made once and kept until it is acknowledged.

use shared::stream::Progress;

use crate::client;

/// A batch as it is sent, however often.
#[derive(Debug)]
pub(super) struct Batch {
    /// From 1, without gaps.
    pub(super) number: u64,
    /// The compressed body.
    pub(super) body: Vec<u8>,
    /// What it says besides cases.
    pub(super) progress: Progress,
}

impl Batch {
    /// A batch of cases, each given as JSON.
    pub(super) fn new(number: u64, cases: &[Vec<u8>], progress: Progress) -> std::io::Result<Self> {
        let batch_id = uuid::Uuid::now_v7().to_string();
        Self::with_id(number, &batch_id, cases, progress)
    }

    /// A sign of life: no cases, and the number of the last batch that had some.
    pub(super) fn sign_of_life(last: u64, progress: Progress) -> std::io::Result<Self> {
        Self::with_id(last, "", &[], progress)
    }

    fn with_id(
        number: u64,
        batch_id: &str,
        cases: &[Vec<u8>],
        progress: Progress,
    ) -> std::io::Result<Self> {
        let json = json(number, batch_id, cases, &progress)?;
        Ok(Self {
            number,
            body: client::compress(&json)?,
            progress,
        })
    }
}

/// A [`shared::stream::NewBatch`]. It is put together from cases that are JSON already, because
/// their fingerprints are taken from that; no case is written twice.
fn json(
    number: u64,
    batch_id: &str,
    cases: &[Vec<u8>],
    progress: &Progress,
) -> serde_json::Result<Vec<u8>> {
    let head = format!(r#"{{"number":{number},"batch_id":"{batch_id}","cases":["#);
    let mut json = head.into_bytes();
    json.extend(cases.join(&b','));
    json.extend_from_slice(br#"],"progress":"#);
    json.extend(serde_json::to_vec(progress)?);
    json.push(b'}');
    Ok(json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::case::NewCase;
    use shared::outcome::Outcome;
    use shared::stream::NewBatch;

    #[test]
    fn a_batch_put_together_by_hand_is_the_one_that_the_wire_knows() {
        let cases = ["a\"\u{1}", "b", "ü"].map(|name| NewCase::new(name, Outcome::Passed));
        let progress = Progress {
            collected: Some(3),
            running: vec!["t.py::\"quoted\"".to_owned()],
            running_count: 1,
            ..Progress::default()
        };
        for count in [0, 1, 3] {
            let pieces: Vec<Vec<u8>> = cases[..count]
                .iter()
                .map(|case| serde_json::to_vec(case).unwrap())
                .collect();
            let text = json(7, "id", &pieces, &progress).unwrap();
            let batch: NewBatch = serde_json::from_slice(&text).unwrap();
            assert_eq!((batch.number, batch.batch_id.as_str()), (7, "id"));
            assert_eq!(batch.cases, cases[..count]);
            assert_eq!(batch.progress, progress);
        }
    }
}
