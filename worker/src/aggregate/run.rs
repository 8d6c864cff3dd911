//! One session while it goes on.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use shared::event::{Collect, Event, Finish, Hello, Interrupt, Session, Tests};
use shared::limits;
use shared::run::ProblemKind;

use super::case::Test;
use super::problems::Problems;
use super::text::TextBudget;

/// Everything that the events told so far.
#[derive(Debug, Default)]
pub struct Run {
    pub(super) hello: Option<Hello>,
    pub(super) session: Option<Session>,
    /// By number; a gap is a number that nobody named.
    pub(super) tests: Vec<Option<Box<Test>>>,
    pub(super) tests_dropped: u64,
    pub(super) collected: Option<u64>,
    pub(super) deselected: u64,
    pub(super) collection_errors: u64,
    pub(super) collection_skips: u64,
    pub(super) interrupt: Option<Interrupt>,
    pub(super) internal_errors: u64,
    pub(super) finish: Option<Finish>,
    pub(super) goodbye: Option<i32>,
    /// The text of [`Event::Exit`], once it came.
    pub(super) exit: Option<String>,
    pub(super) problems: Problems,
    pub(super) budget: TextBudget,
    /// Numbers of tests that changed since they were taken, each once; those that run now are all
    /// here.
    pub(super) changed: VecDeque<u32>,
    last_started: Option<u32>,
}

impl Run {
    /// A run of which nothing is known yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one event. Any order, any repetition and any gap is taken; what cannot be placed is
    /// ignored, what exceeds a limit is dropped and said in the run's problems.
    pub fn apply(&mut self, event: Event) {
        match event {
            Event::Hello(hello) => self.hello = Some(hello),
            Event::Session(session) => self.session = Some(session),
            Event::Tests(tests) => self.announce(tests),
            Event::Collected(count) => self.collected = self.collected.max(Some(count)),
            Event::Deselected(count) => self.deselected = self.deselected.saturating_add(count),
            Event::Collect(collect) => self.collect(&collect),
            Event::Start(number, at) => self.start(number, at),
            Event::Passed(number, setup, call) => {
                self.with(number, |test| test.pass(setup, call));
            }
            Event::End(number, teardown) => self.with(number, |test| test.end(teardown)),
            Event::On(number, worker) => self.with(number, |test| test.run_on(worker)),
            Event::Memory(number, kib) => self.with(number, |test| test.take_memory(kib)),
            Event::Place(number, file, line, markers) => {
                self.with(number, |test| test.place(file, line, markers));
            }
            Event::Report(report) => {
                let mut budget = std::mem::take(&mut self.budget);
                self.with(report.test, |test| test.report(*report, &mut budget));
                self.budget = budget;
            }
            Event::Warning(warning) => {
                self.problems
                    .add(ProblemKind::Warning, &warning.nodeid, warning.text);
            }
            Event::WarningsDropped(count) => self.problems.note_dropped(count),
            Event::InternalError(text) => {
                self.internal_errors += 1;
                self.problems.add(ProblemKind::InternalError, "", text);
            }
            Event::Interrupt(interrupt) => self.interrupt = Some(interrupt),
            Event::WorkerDown(down) => {
                self.problems
                    .add(ProblemKind::Crash, &down.worker, down.text);
            }
            Event::Finish(finish) => self.finish = Some(finish),
            Event::Goodbye(status) => self.goodbye = Some(status),
            Event::Exit(text) => self.exit = Some(text),
        }
    }

    /// Whether a session goes on, as far as was told.
    pub fn is_in_session(&self) -> bool {
        self.hello.is_some() && self.finish.is_none()
    }

    /// Whether the end was announced: nothing more has to come.
    pub fn said_goodbye(&self) -> bool {
        self.goodbye.is_some() || self.exit.is_some()
    }

    /// How many tests have started so far.
    pub fn started(&self) -> usize {
        let tests = self.tests.iter().flatten();
        tests.filter(|test| test.has_started()).count()
    }

    /// Nodeids of the tests that run now, at most [`limits::NODEIDS_LISTED_MAX`].
    pub fn running(&self) -> Vec<&str> {
        let tests = self.tests.iter().flatten();
        tests
            .filter(|test| test.is_running())
            .map(|test| test.nodeid.as_str())
            .take(limits::NODEIDS_LISTED_MAX)
            .collect()
    }

    fn announce(&mut self, tests: Tests) {
        for (number, announced) in (u64::from(tests.first)..).zip(tests.tests) {
            let Some(test) = self.slot(number) else {
                self.tests_dropped += 1;
                continue;
            };
            test.announce(announced);
            // One that was heard of before it had a name, which no plugin of ours does.
            if test.has_started() && !std::mem::replace(&mut test.changed, true) {
                self.changed.push_back(number as u32);
            }
        }
    }

    fn start(&mut self, number: u32, at: f64) {
        let distributed = self.session.as_ref().is_some_and(|facts| facts.distributed);
        if let Some(last) = self.last_started.replace(number)
            && !distributed
        {
            self.with(last, Test::end_unless_silent);
        }
        self.with(number, |test| test.start(moment(at)));
    }

    fn collect(&mut self, collect: &Collect) {
        let kind = if collect.outcome == "skipped" {
            self.collection_skips += 1;
            ProblemKind::CollectionSkip
        } else {
            self.collection_errors += 1;
            ProblemKind::CollectionError
        };
        self.problems
            .add(kind, &collect.nodeid, collect.text.as_str());
    }

    /// Does something with a test; a number over the limit is nobody's.
    fn with(&mut self, number: u32, act: impl FnOnce(&mut Test)) {
        let Some(test) = self.slot(u64::from(number)) else {
            return;
        };
        act(test);
        if !std::mem::replace(&mut test.changed, true) {
            self.changed.push_back(number);
        }
    }

    fn slot(&mut self, number: u64) -> Option<&mut Test> {
        let index = usize::try_from(number).ok()?;
        if index >= limits::RUN_CASES_MAX {
            return None;
        }
        if index >= self.tests.len() {
            self.tests.resize_with(index + 1, || None);
        }
        Some(self.tests[index].get_or_insert_default())
    }
}

fn moment(at_s: f64) -> Option<DateTime<Utc>> {
    let limit = limits::TIMESTAMP_S_MAX as f64;
    if !(0.0..=limit).contains(&at_s) {
        return None;
    }
    DateTime::from_timestamp_micros((at_s * 1e6) as i64)
}
