//! The marks of cases: what each counts as.

use shared::case::NewCase;
use shared::outcome::Outcome;

use crate::ingest::counts::Counts;
use crate::store::marks::{self, Mark};

fn of(case: &NewCase) -> Mark {
    let counts = Counts::of(std::slice::from_ref(case));
    let occurrences = [
        Outcome::Passed,
        Outcome::Failed,
        Outcome::Error,
        Outcome::Skipped,
    ];
    Mark {
        test: marks::key(&case.nodeid),
        counts: occurrences
            .map(|outcome| u16::try_from(counts.occurrences(outcome)).unwrap_or(u16::MAX)),
        is_pass: case.outcome == Outcome::Passed,
    }
}

/// The marks of cases, to be stored.
pub(super) fn pack(cases: &[NewCase]) -> Vec<u8> {
    marks::pack(cases.iter().map(of))
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
        let packed = pack(&cases);
        let marks: Vec<Mark> = marks::unpack(&packed).unwrap().collect();
        assert_eq!(marks, cases.iter().map(of).collect::<Vec<_>>());
        assert_eq!((marks[1].counts, marks[1].is_pass), ([1, 0, 1, 0], false));
        assert!(marks::unpack(&packed[1..]).is_err());
    }

    #[test]
    fn every_bad_case_may_be_one_by_its_mark() {
        for outcome in Outcome::ALL {
            let mark = of(&NewCase::new("t.py::a", outcome));
            assert!(mark.may_be_bad() || !outcome.is_bad(), "{outcome}");
        }
        assert!(!of(&NewCase::new("t.py::a", Outcome::Skipped)).may_be_bad());
        assert!(!of(&NewCase::new("t.py::a", Outcome::Passed)).may_be_bad());
    }
}
