//! Putting the batches of a run together: the last case of a test is the one that counts.

use rustc_hash::FxHashMap;
use shared::case::NewCase;
use shared::outcome::Outcome;

use super::packed;
use crate::store::StoreError;
use crate::store::hash::Hash16;

/// Cases in the order in which their tests were first reported.
#[derive(Debug, Default)]
pub(super) struct Merging {
    cases: Vec<NewCase>,
    positions: FxHashMap<Hash16, usize>,
}

impl Merging {
    /// Adds a batch as it is stored.
    pub(super) fn add_packed(&mut self, batch: &[u8]) -> Result<(), StoreError> {
        for case in packed::unpack_cases(batch)? {
            self.add(case);
        }
        Ok(())
    }

    /// Adds a case in the place of an earlier one of the same test.
    pub(super) fn add(&mut self, case: NewCase) {
        let hash = Hash16::of(case.nodeid.as_bytes());
        if let Some(position) = self.positions.get(&hash) {
            self.cases[*position] = case;
        } else {
            self.positions.insert(hash, self.cases.len());
            self.cases.push(case);
        }
    }

    /// A test was running when its process died. What it said before stays, the outcome is the
    /// worst there is.
    pub(super) fn crash(&mut self, nodeid: String, message: &str) {
        let position = self.positions.get(&Hash16::of(nodeid.as_bytes()));
        let Some(position) = position else {
            self.add(NewCase {
                message: Some(message.to_owned()),
                ..NewCase::new(nodeid, Outcome::Crashed)
            });
            return;
        };
        let case = &mut self.cases[*position];
        if case.outcomes.is_none() {
            case.outcomes = Some(crate::store::columns::usual_outcomes(case.outcome).to_vec());
        }
        case.outcome = Outcome::Crashed;
        case.message = Some(message.to_owned());
    }

    pub(super) fn len(&self) -> usize {
        self.cases.len()
    }

    pub(super) fn into_cases(self) -> Vec<NewCase> {
        self.cases
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_case_of_a_test_counts_and_keeps_its_place() {
        let mut merging = Merging::default();
        for (nodeid, outcome) in [
            ("a", Outcome::Passed),
            ("b", Outcome::Passed),
            ("a", Outcome::Failed),
        ] {
            merging.add(NewCase::new(nodeid, outcome));
        }
        merging.crash("b".to_owned(), "gone");
        merging.crash("c".to_owned(), "gone");
        let cases = merging.into_cases();
        let seen: Vec<_> = cases
            .iter()
            .map(|case| (case.nodeid.as_str(), case.outcome))
            .collect();
        assert_eq!(
            seen,
            [
                ("a", Outcome::Failed),
                ("b", Outcome::Crashed),
                ("c", Outcome::Crashed)
            ]
        );
        assert_eq!(cases[1].outcomes.as_deref(), Some(&[Outcome::Passed][..]));
    }
}
