//! Whole runs, streamed to a master in memory that fails as it is told to.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use shared::answer::Saved;
use shared::case::NewCase;
use shared::event::{Announced, Event, Hello, Report, Tests};
use shared::limits::BATCH_CASES_MAX;
use shared::run::NewRun;
use shared::stream::{Finish, NewBatch, Progress, Streaming};

use super::calls::Calls;
use super::finish::Unfinished;
use super::live::{Phase, Stream};
use super::source::{Labels, Source};
use crate::aggregate::Ending;
use crate::cli::Options;
use crate::client::SendError;
use crate::config::{Facts, Pyproject, Settings};
use crate::events::{Heard, SharedHeard, locked};

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Answered,
    /// It never arrives.
    Refused,
    /// It arrives, and its answer is lost.
    AnswerLost,
    /// It is refused for good.
    Gone,
}

/// A master that keeps one run as a real one does.
#[derive(Debug, Default)]
struct Memory {
    opening: Option<NewRun>,
    batches: Vec<String>,
    cases: BTreeMap<String, NewCase>,
    progress: Progress,
    signs_of_life: usize,
    finished: Option<NewRun>,
}

#[derive(Debug, Default)]
struct FakeMaster {
    memory: RefCell<Memory>,
    fates: RefCell<VecDeque<Fate>>,
    urgent: bool,
}

impl FakeMaster {
    fn with(fates: &[Fate]) -> Self {
        Self {
            fates: RefCell::new(fates.iter().copied().collect()),
            ..Self::default()
        }
    }

    fn call<A>(&self, act: impl FnOnce(&mut Memory) -> A) -> Result<A, SendError> {
        let url = String::new();
        let reason = String::new();
        match self
            .fates
            .borrow_mut()
            .pop_front()
            .unwrap_or(Fate::Answered)
        {
            Fate::Answered => Ok(act(&mut self.memory.borrow_mut())),
            Fate::Refused => Err(SendError::Unreachable { url, reason }),
            Fate::AnswerLost => {
                act(&mut self.memory.borrow_mut());
                Err(SendError::Broken { url, reason })
            }
            Fate::Gone => Err(SendError::Answered {
                url,
                status: 413,
                text: reason,
                retry_after: None,
            }),
        }
    }
}

fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> T {
    let json = zstd::stream::decode_all(io::Cursor::new(body)).unwrap();
    serde_json::from_slice(&json).unwrap()
}

impl Memory {
    fn answer(&self) -> Streaming {
        Streaming {
            run_id: "r".to_owned(),
            status: "running".to_owned(),
            batches: self.batches.len() as u64,
        }
    }
}

impl Calls for FakeMaster {
    fn open(&self, body: &[u8], _: Duration) -> Result<Streaming, SendError> {
        self.call(|memory| {
            let run: NewRun = read(body);
            let known = memory.opening.get_or_insert_with(|| run.clone());
            assert_eq!(*known, run, "opened twice, and not with the same");
            memory.answer()
        })
    }

    fn append(&self, body: &[u8], _: Duration) -> Result<Streaming, SendError> {
        self.call(|memory| {
            let batch: NewBatch = read(body);
            assert!(memory.opening.is_some() && memory.finished.is_none());
            assert!(batch.cases.len() <= BATCH_CASES_MAX);
            memory.progress = batch.progress;
            if batch.cases.is_empty() {
                memory.signs_of_life += 1;
            } else if batch.number as usize > memory.batches.len() {
                assert_eq!(batch.number as usize, memory.batches.len() + 1, "a gap");
                memory.batches.push(batch.batch_id);
                let named = |case: NewCase| (case.nodeid.clone(), case);
                memory.cases.extend(batch.cases.into_iter().map(named));
            } else {
                assert_eq!(memory.batches[batch.number as usize - 1], batch.batch_id);
            }
            memory.answer()
        })
    }

    fn append_last(&self, body: &[u8], timeout: Duration) -> Result<Streaming, SendError> {
        self.append(body, timeout)
    }

    fn finish(&self, body: &[u8], _: Duration) -> Result<Saved, SendError> {
        self.call(|memory| {
            let finish: Finish = read(body);
            assert_eq!(finish.batches as usize, memory.batches.len());
            assert_eq!(finish.run.cases, None);
            memory.finished = Some(finish.run);
            Saved {
                run_id: "r".to_owned(),
                status: "saved".to_owned(),
            }
        })
    }

    fn is_urgent(&self) -> bool {
        self.urgent
    }
}

/// A run that goes on, and its stream.
struct Story {
    heard: SharedHeard,
    stream: Stream,
}

impl Story {
    fn of(tests: u32) -> Self {
        let heard = SharedHeard::default();
        let settings = Settings::resolve(&Options::default(), &|_| None, Pyproject::default());
        let facts = Arc::new(OnceLock::new());
        facts.set(Facts::default()).unwrap();
        let source = Source {
            heard: Arc::clone(&heard),
            labels: Labels {
                settings,
                command: None,
                started_at: None,
            },
            facts,
        };
        let story = Self {
            heard,
            stream: Stream::new(source),
        };
        let row = |number| Announced(format!("t.py::test_{number}"), "t.py".into(), 1, vec![]);
        locked(&story.heard).hello = true;
        story.tell([
            Event::Hello(Hello::default()),
            Event::Tests(Tests {
                first: 0,
                tests: (0..tests).map(row).collect(),
            }),
            Event::Collected(u64::from(tests)),
        ]);
        story
    }

    fn tell(&self, events: impl IntoIterator<Item = Event>) {
        let mut heard = locked(&self.heard);
        events.into_iter().for_each(|event| heard.run.apply(event));
    }

    fn step(&mut self, master: &FakeMaster) -> Duration {
        self.stream.step(master)
    }

    /// Ends the run, and says what it is and whether the stream took it.
    fn end(&mut self, master: &FakeMaster) -> (NewRun, Result<(), Unfinished>) {
        let heard: Heard = std::mem::take(&mut locked(&self.heard));
        let mut run = heard.run.finish(Ending::default());
        let cases = run.cases.take().unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        let done = self.stream.finish(master, &run, &cases, deadline);
        run.cases = Some(cases);
        (run, done)
    }
}

fn pass(number: u32) -> [Event; 3] {
    [
        Event::Start(number, 1.0e9),
        Event::Passed(number, 0.25, 0.5),
        Event::End(number, 0.25),
    ]
}

fn teardown_error(number: u32) -> Event {
    Event::Report(Box::new(Report {
        test: number,
        when: "teardown".to_owned(),
        outcome: "failed".to_owned(),
        category: "error".to_owned(),
        ..Report::default()
    }))
}

/// Whether the master has exactly this run.
fn assert_equal(master: &FakeMaster, run: &NewRun) {
    let memory = master.memory.borrow();
    let mut cases = run.cases.clone().unwrap();
    cases.sort_by(|a, b| a.nodeid.cmp(&b.nodeid));
    assert!(cases.iter().eq(memory.cases.values()));
    let frame = NewRun {
        cases: None,
        ..run.clone()
    };
    assert_eq!(memory.finished.as_ref(), Some(&frame));
}

#[test]
fn a_run_arrives_in_batches_and_is_the_run() {
    let (mut story, master) = (Story::of(1200), FakeMaster::default());
    story.step(&master);
    story.tell((0..1100).flat_map(pass));
    story.step(&master);
    assert_eq!(master.memory.borrow().batches.len(), 3);
    assert_eq!(master.memory.borrow().progress.collected, Some(1200));
    story.tell([Event::Start(1100, 1.0e9)]);
    let (run, done) = story.end(&master);
    done.unwrap();
    assert_eq!(run.cases.as_ref().unwrap().len(), 1101);
    assert_eq!(master.memory.borrow().batches.len(), 4);
    assert_equal(&master, &run);
}

#[test]
fn a_test_that_changes_after_it_was_sent_is_sent_again() {
    let (mut story, master) = (Story::of(2), FakeMaster::default());
    story.tell((0..2).flat_map(pass));
    story.step(&master);
    story.tell([teardown_error(0)]);
    story.step(&master);
    assert_eq!(master.memory.borrow().batches.len(), 2);
    let (run, done) = story.end(&master);
    done.unwrap();
    assert_equal(&master, &run);
}

#[test]
fn nothing_is_said_before_the_plugin_was_heard() {
    let (mut story, master) = (Story::of(1), FakeMaster::default());
    locked(&story.heard).hello = false;
    story.step(&master);
    assert!(master.memory.borrow().opening.is_none());
    assert!(matches!(story.end(&master).1, Err(Unfinished::NotOpen)));
}

#[test]
fn a_batch_is_the_same_however_often_it_is_sent() {
    let fates = [
        Fate::AnswerLost,
        Fate::Answered,
        Fate::AnswerLost,
        Fate::Refused,
    ];
    let (mut story, master) = (Story::of(3), FakeMaster::with(&fates));
    story.tell((0..2).flat_map(pass));
    for _ in 0..3 {
        story.step(&master);
        story.tell(pass(2));
    }
    assert!(story.stream.unreachable_since().is_some());
    story.step(&master);
    assert!(story.stream.unreachable_since().is_none());
    let (run, done) = story.end(&master);
    done.unwrap();
    assert_equal(&master, &run);
}

#[test]
fn failures_make_it_wait_longer_and_longer() {
    let (mut story, master) = (Story::of(1), FakeMaster::with(&[Fate::Refused; 8]));
    let waits: Vec<Duration> = (0..8).map(|_| story.step(&master)).collect();
    assert!(waits[0] < waits[3] && waits[3] < waits[7], "{waits:?}");
    assert!(!story.stream.wants_nudges());
}

#[test]
fn a_master_that_refuses_batches_still_hears_that_the_worker_lives() {
    let fates = [Fate::Answered, Fate::Gone];
    let (mut story, master) = (Story::of(2), FakeMaster::with(&fates));
    story.tell(pass(0));
    story.step(&master);
    assert_eq!(story.stream.phase, Phase::SignsOfLife);
    story.tell(pass(1));
    story.step(&master);
    assert_eq!(master.memory.borrow().batches.len(), 0);
    assert!(matches!(story.end(&master).1, Err(Unfinished::NotOpen)));
}

#[test]
fn an_older_master_is_asked_once() {
    let (mut story, master) = (Story::of(1), FakeMaster::with(&[Fate::Gone]));
    story.step(&master);
    assert_eq!(story.stream.phase, Phase::Off);
    assert!(story.step(&master) > Duration::from_hours(1));
}

#[test]
fn a_backlog_waits_when_the_tests_are_over() {
    let (mut story, mut master) = (Story::of(5000), FakeMaster::default());
    story.step(&master);
    story.tell((0..5000).flat_map(pass));
    master.urgent = true;
    story.step(&master);
    assert_eq!(master.memory.borrow().batches.len(), 1);
    let (_, done) = story.end(&master);
    assert!(matches!(done, Err(Unfinished::MostlyHere)), "{done:?}");
}

/// A run with one test in a batch and one that is sent at the end, where these things happen.
fn ended_with(fates: &[Fate]) -> (FakeMaster, NewRun, Result<(), Unfinished>) {
    let (mut story, master) = (Story::of(2), FakeMaster::default());
    story.tell(pass(0));
    story.step(&master);
    story.tell(pass(1));
    *master.fates.borrow_mut() = fates.iter().copied().collect();
    let (run, done) = story.end(&master);
    (master, run, done)
}

#[test]
fn whatever_fails_at_the_end_is_left_to_the_whole_run() {
    for fate in [Fate::Refused, Fate::Gone] {
        for fates in [&[fate][..], &[Fate::Answered, fate]] {
            let (_, _, done) = ended_with(fates);
            assert!(matches!(done, Err(Unfinished::Send(_))), "{done:?}");
        }
    }
    let (_, _, done) = ended_with(&[Fate::AnswerLost, Fate::AnswerLost]);
    assert!(matches!(done, Err(Unfinished::Send(_))), "{done:?}");
}

#[test]
fn an_answer_that_gets_lost_at_the_end_is_asked_for_again() {
    let lost = Fate::AnswerLost;
    let (master, run, done) = ended_with(&[lost, Fate::Answered, lost]);
    done.unwrap();
    assert_equal(&master, &run);
}

#[test]
fn a_batch_that_was_not_acknowledged_when_the_tests_ended_is_sent_first() {
    for fate in [Fate::Refused, Fate::AnswerLost] {
        let (mut story, master) = (Story::of(2), FakeMaster::with(&[Fate::Answered, fate]));
        story.tell(pass(0));
        story.step(&master);
        story.tell(pass(1));
        let (run, done) = story.end(&master);
        done.unwrap();
        assert_equal(&master, &run);
        assert_eq!(master.memory.borrow().batches.len(), 2);
    }
}

fn any_fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => Just(Fate::Answered),
        2 => Just(Fate::Refused),
        2 => Just(Fate::AnswerLost),
        1 => Just(Fate::Gone),
    ]
}

fn any_events() -> impl Strategy<Value = Vec<Event>> {
    let number = 0u32..6;
    prop::collection::vec(
        prop_oneof![
            number.clone().prop_map(|number| pass(number).to_vec()),
            number
                .clone()
                .prop_map(|number| vec![Event::Start(number, 1.0e9)]),
            number
                .clone()
                .prop_map(|number| vec![Event::End(number, 0.5)]),
            number.prop_map(|number| vec![teardown_error(number)]),
        ],
        0..4,
    )
    .prop_map(|events| events.concat())
}

proptest! {
    /// A stream that says it finished has told exactly the run; nothing that fails makes it lie.
    #[test]
    fn a_finished_stream_is_the_run(
        rounds in prop::collection::vec(any_events(), 0..12),
        fates in prop::collection::vec(any_fate(), 0..20),
    ) {
        let (mut story, master) = (Story::of(6), FakeMaster::with(&fates));
        for events in rounds {
            story.tell(events);
            story.step(&master);
        }
        let (run, done) = story.end(&master);
        if done.is_ok() {
            assert_equal(&master, &run);
        }
    }
}
