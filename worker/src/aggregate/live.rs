//! What a session amounts to while it goes on: the cases that are new, and how far it is.
//!
//! A test is on a list from its first event until it has ended and was taken; an event after that
//! puts it there again. So nobody ever looks through all tests, and what runs now is on the list.

use shared::case::NewCase;
use shared::limits;
use shared::run::NewRun;
use shared::stream::Progress;

use super::case::Test;
use super::run::Run;
use super::text::storable;

impl Run {
    /// How many tests changed since they were last taken, those that run now included.
    pub fn changed_count(&self) -> usize {
        self.changed.len()
    }

    /// Takes the cases of tests that have ended and changed since they were last taken: at most
    /// `cases_max`, and no further one when their texts have reached `text_bytes_max` together.
    /// They come in the order of their first change.
    pub fn take_changed(&mut self, cases_max: usize, text_bytes_max: usize) -> Vec<NewCase> {
        let mut cases = Vec::new();
        let mut text_bytes = 0;
        let mut running = Vec::new();
        while cases.len() < cases_max && text_bytes < text_bytes_max {
            let Some(number) = self.changed.pop_front() else {
                break;
            };
            let Some(Some(test)) = self.tests.get_mut(number as usize) else {
                continue;
            };
            if test.is_running() {
                running.push(number);
                continue;
            }
            test.changed = false;
            if let Some(case) = test.to_ended_case() {
                text_bytes += text_bytes_of(&case);
                cases.push(case);
            }
        }
        for number in running.into_iter().rev() {
            self.changed.push_front(number);
        }
        cases
    }

    /// How far the session is.
    pub fn progress(&self) -> Progress {
        let mut progress = Progress {
            collected: self.collected.map(|count| count.min(limits::COUNT_MAX)),
            deselected: self.deselected.min(limits::COUNT_MAX),
            ..Progress::default()
        };
        for test in self.changed_tests().filter(|test| test.is_running()) {
            if test.nodeid.is_empty() {
                continue;
            }
            progress.running_count += 1;
            if progress.running.len() < limits::NODEIDS_LISTED_MAX {
                progress.running.push(test.nodeid.clone());
            }
        }
        progress
    }

    /// Writes into `run` what the session said about itself: versions, platform and plugins.
    pub fn describe(&self, run: &mut NewRun) {
        let name = |text: &String| storable(text.clone(), limits::NAME_BYTES_MAX);
        if let Some(hello) = &self.hello {
            run.python = name(&hello.python);
            run.platform = name(&hello.platform);
        }
        if let Some(session) = &self.session {
            run.pytest = name(&session.pytest);
            let plugins = session.plugins.iter().take(limits::PLUGINS_MAX);
            run.plugins = plugins.map(name).collect();
        }
    }

    fn changed_tests(&self) -> impl Iterator<Item = &Test> {
        self.changed
            .iter()
            .filter_map(|number| self.tests.get(*number as usize)?.as_deref())
    }
}

/// Bytes of the texts of a case, which are most of it.
fn text_bytes_of(case: &NewCase) -> usize {
    let failures: usize = case
        .failures
        .iter()
        .map(|failure| {
            let texts = [
                &failure.message,
                &failure.traceback,
                &failure.stdout,
                &failure.stderr,
                &failure.log,
            ];
            texts.into_iter().map(String::len).sum::<usize>()
        })
        .sum();
    case.nodeid.len() + case.message.as_ref().map_or(0, String::len) + failures
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use shared::event::Event;
    use shared::outcome::Outcome;

    use super::super::tests::{any_event, closing, exited, opening, pass, report};
    use super::super::{Ending, Run};

    const ALL: usize = usize::MAX;

    fn taken(run: &mut Run) -> Vec<(String, Outcome)> {
        let cases = run.take_changed(ALL, ALL).into_iter();
        cases.map(|case| (case.nodeid, case.outcome)).collect()
    }

    fn apply(run: &mut Run, events: impl IntoIterator<Item = Event>) {
        events.into_iter().for_each(|event| run.apply(event));
    }

    #[test]
    fn a_test_is_taken_once_when_it_has_ended_and_again_when_it_changed() {
        let mut run = Run::new();
        apply(&mut run, opening(2));
        apply(&mut run, [Event::Start(0, 1.0), Event::Passed(0, 0.1, 0.1)]);
        assert_eq!(taken(&mut run), []);
        assert_eq!(run.progress().running, ["t.py::test_0"]);
        apply(&mut run, [Event::End(0, 0.1), Event::Start(1, 2.0)]);
        let first = ("t.py::test_0".to_owned(), Outcome::Passed);
        assert_eq!(taken(&mut run), [first]);
        assert_eq!(taken(&mut run), []);
        assert_eq!(run.progress().running, ["t.py::test_1"]);
        apply(&mut run, [report(0, "teardown", "error")]);
        let changed = ("t.py::test_0".to_owned(), Outcome::Error);
        assert_eq!(taken(&mut run), [changed]);
    }

    #[test]
    fn no_more_is_taken_than_was_asked_for_and_the_rest_stays() {
        let mut run = Run::new();
        apply(&mut run, opening(5));
        apply(&mut run, [Event::Start(4, 1.0)]);
        apply(&mut run, (0..4).flat_map(pass));
        assert_eq!(run.take_changed(3, ALL).len(), 3);
        // The fourth, and the one that runs.
        assert_eq!(run.changed_count(), 2);
        assert_eq!(run.take_changed(3, ALL).len(), 1);
        apply(&mut run, (0..4).flat_map(pass));
        assert_eq!(run.take_changed(ALL, 1).len(), 1);
        assert_eq!(run.take_changed(ALL, 0).len(), 0);
    }

    #[test]
    fn a_test_that_ended_without_an_outcome_waits_for_the_end() {
        let mut run = Run::new();
        apply(&mut run, opening(1));
        apply(&mut run, [Event::Start(0, 1.0), Event::End(0, 0.1)]);
        assert_eq!(taken(&mut run), []);
        assert_eq!(run.finish(Ending::default()).cases.unwrap().len(), 1);
    }

    #[test]
    fn a_whole_session_taken_bit_by_bit_is_the_session() {
        let mut run = Run::new();
        let mut merged = BTreeMap::new();
        let events = opening(3).into_iter().chain((0..3).flat_map(pass));
        for event in events.chain(closing(0)) {
            run.apply(event);
            for case in run.take_changed(1, ALL) {
                merged.insert(case.nodeid.clone(), case);
            }
        }
        let cases = run.finish(exited(0)).cases.unwrap();
        assert!(cases.iter().eq(merged.values()));
    }

    proptest! {
        /// Only the end may add to what was taken, and only to tests that the end itself changed.
        #[test]
        fn every_case_taken_is_in_the_end_and_what_differs_is_still_on_the_list(
            events in prop::collection::vec((any_event(), 0usize..3), 0..60),
        ) {
            let mut run = Run::new();
            let mut merged = BTreeMap::new();
            for (event, count) in events {
                run.apply(event);
                for case in run.take_changed(count, ALL) {
                    prop_assert_eq!(shared::validate::case(&case), Ok(()));
                    merged.insert(case.nodeid.clone(), case);
                }
            }
            let running = run.progress().running;
            for case in run.take_changed(ALL, ALL) {
                merged.insert(case.nodeid.clone(), case);
            }
            let cases = run.finish(Ending::default()).cases.unwrap_or_default();
            for nodeid in merged.keys() {
                prop_assert!(cases.iter().any(|case| case.nodeid == *nodeid));
            }
            for case in &cases {
                let same = merged.get(&case.nodeid) == Some(case);
                let by_death = case.outcome == Outcome::Crashed || running.contains(&case.nodeid);
                prop_assert!(same || by_death, "{case:?}");
            }
        }
    }
}
