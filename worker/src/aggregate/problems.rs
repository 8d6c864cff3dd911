//! A bounded list of problems, each said once, the serious ones first.

use std::collections::HashSet;

use shared::limits;
use shared::run::{Problem, ProblemKind};

use super::text::storable;

/// Warnings may fill this part of the list, so that they never push out a crash.
const WARNINGS_MAX: usize = limits::PROBLEMS_MAX / 2;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Problems {
    serious: Vec<Problem>,
    warnings: Vec<Problem>,
    said: HashSet<(ProblemKind, String, String)>,
    dropped: u64,
}

impl Problems {
    /// Adds a problem, unless the same was said before or the list is full.
    pub(super) fn add(&mut self, kind: ProblemKind, place: &str, text: impl Into<String>) {
        let place = storable(place.to_owned(), limits::NODEID_BYTES_MAX);
        let text = storable(text.into(), limits::PROBLEM_TEXT_BYTES_MAX);
        let (list, items_max) = if kind == ProblemKind::Warning {
            (&mut self.warnings, WARNINGS_MAX)
        } else {
            // One place is kept for the sentence that something is missing.
            (&mut self.serious, limits::PROBLEMS_MAX - WARNINGS_MAX - 1)
        };
        if list.len() >= items_max {
            self.dropped = self.dropped.saturating_add(1);
        } else if self.said.insert((kind, place.clone(), text.clone())) {
            list.push(Problem { kind, place, text });
        }
    }

    /// Notes problems that somebody else had no room for.
    pub(super) fn note_dropped(&mut self, count: u64) {
        self.dropped = self.dropped.saturating_add(count);
    }

    /// The list, at most [`limits::PROBLEMS_MAX`] long.
    pub(super) fn into_list(self) -> Vec<Problem> {
        let mut list = self.serious;
        list.extend(self.warnings);
        if self.dropped > 0 {
            list.push(Problem {
                kind: ProblemKind::Truncated,
                place: "problems".to_owned(),
                text: format!("{} more warnings or problems are not listed", self.dropped),
            });
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_warnings_leaves_room_for_a_crash_and_is_counted() {
        let mut problems = Problems::default();
        for number in 0..5_000 {
            problems.add(ProblemKind::Warning, "t.py::a", number.to_string());
        }
        problems.add(ProblemKind::Crash, "", "died");
        problems.add(ProblemKind::Crash, "", "died");
        let list = problems.into_list();
        assert_eq!(list.len(), WARNINGS_MAX + 2);
        assert_eq!(list[0].kind, ProblemKind::Crash);
        assert!(
            list.last()
                .is_some_and(|last| last.text.starts_with("4900 more"))
        );
    }
}
