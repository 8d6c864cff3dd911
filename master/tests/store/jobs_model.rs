//! Random sequences of everything that can happen to jobs, against a simple model of them.

use std::cmp::Reverse;

use chrono::Utc;
use master::jobs::JobsError;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use shared::job::{JobState, NewJob};
use shared::lease::{AttemptEnding, Lease, LeaseRequest};

use crate::engines::Database;
use crate::jobs::{Queue, job, labels, request, states};

on_both_engines!(whatever_happens_to_jobs_is_what_a_simple_model_says);

/// Sequences on each engine.
const SEQUENCES: u32 = 20;

/// Things that happen in one sequence, at most.
const LENGTH_MAX: usize = 40;

/// Environments with their capacity; the last jobs need none.
const ENVIRONMENTS: [(Option<&str>, usize); 3] = [(Some("1"), 1), (Some("lab"), 2), (None, 0)];

/// Something that happens. Numbers choose among what is there.
#[derive(Debug, Clone)]
enum Event {
    Create {
        environment: usize,
        is_special: bool,
        priority: i32,
        attempts_max: u32,
    },
    Lease {
        is_special: bool,
    },
    Finish {
        which: usize,
        ending: AttemptEnding,
    },
    Hear {
        which: usize,
    },
    Lose {
        which: usize,
    },
    Cancel {
        which: usize,
    },
    Delete {
        which: usize,
    },
    GiveUp,
}

/// A job as the model has it.
#[derive(Debug, Clone)]
struct Known {
    id: i64,
    environment: usize,
    is_special: bool,
    priority: i32,
    attempts_left: u32,
    cancel_requested: bool,
    states: Vec<JobState>,
    lease: Option<Lease>,
}

impl Known {
    fn state(&self) -> JobState {
        *self.states.last().unwrap()
    }
}

#[derive(Debug, Default)]
struct Model {
    jobs: Vec<Known>,
    /// Leases that are over.
    stale: Vec<Lease>,
    /// Whether the agent with the special label was ever heard.
    is_special_known: bool,
}

impl Model {
    fn holders(&self, environment: usize) -> usize {
        let holds =
            |job: &&Known| job.environment == environment && job.state() == JobState::Running;
        self.jobs.iter().filter(holds).count()
    }

    /// The job that an agent must get.
    fn next(&self, is_special: bool) -> Option<usize> {
        let key = |index: &usize| (Reverse(self.jobs[*index].priority), self.jobs[*index].id);
        let mut candidates = Vec::new();
        for (environment, (name, capacity)) in ENVIRONMENTS.iter().enumerate() {
            if name.is_some() && self.holders(environment) >= *capacity {
                continue;
            }
            let mut queued: Vec<usize> = (0..self.jobs.len())
                .filter(|index| {
                    let job = &self.jobs[*index];
                    job.environment == environment && job.state() == JobState::Queued
                })
                .collect();
            queued.sort_by_key(key);
            for index in queued {
                if is_special || !self.jobs[index].is_special {
                    candidates.push(index);
                    break;
                }
                // Somebody else can have it, and it is his turn.
                if name.is_some() && self.is_special_known {
                    break;
                }
            }
        }
        candidates.into_iter().min_by_key(key)
    }

    fn pick(&self, which: usize, wanted: impl Fn(&Known) -> bool) -> Option<usize> {
        let found: Vec<usize> = (0..self.jobs.len())
            .filter(|index| wanted(&self.jobs[*index]))
            .collect();
        (!found.is_empty()).then(|| found[which % found.len()])
    }
}

fn event() -> impl Strategy<Value = Event> {
    let which = 0..100_usize;
    let ending = prop::sample::select(vec![
        AttemptEnding::Passed,
        AttemptEnding::Failed,
        AttemptEnding::TimedOut,
        AttemptEnding::Cancelled,
        AttemptEnding::Released,
    ]);
    let create = (0..ENVIRONMENTS.len(), any::<bool>(), -1..2, 1..3_u32);
    prop_oneof![
        6 => create.prop_map(|(environment, is_special, priority, attempts_max)| Event::Create {
            environment,
            is_special,
            priority,
            attempts_max,
        }),
        8 => any::<bool>().prop_map(|is_special| Event::Lease { is_special }),
        4 => (which.clone(), ending).prop_map(|(which, ending)| Event::Finish { which, ending }),
        2 => which.clone().prop_map(|which| Event::Hear { which }),
        3 => which.clone().prop_map(|which| Event::Lose { which }),
        2 => which.clone().prop_map(|which| Event::Cancel { which }),
        1 => which.prop_map(|which| Event::Delete { which }),
        1 => Just(Event::GiveUp),
    ]
}

/// A queue and the model of what is in it.
struct Pair<'a> {
    queue: &'a Queue,
    model: Model,
    /// Nobody but the special agent of this sequence has this label.
    label: String,
}

impl Pair<'_> {
    fn asks(&self, is_special: bool) -> LeaseRequest {
        let name = if is_special { "special" } else { "plain" };
        LeaseRequest {
            labels: labels(if is_special { &self.label } else { "" }),
            ..request(&format!("{name} {}", self.label))
        }
    }

    async fn happen(&mut self, event: Event) {
        match event {
            Event::Create {
                environment,
                is_special,
                priority,
                attempts_max,
            } => {
                let new = NewJob {
                    environment: ENVIRONMENTS[environment].0.map(str::to_owned),
                    labels: labels(if is_special { &self.label } else { "" }),
                    priority,
                    attempts_max,
                    ..job()
                };
                self.model.jobs.push(Known {
                    id: self.queue.add(new).await.id,
                    environment,
                    is_special,
                    priority,
                    attempts_left: attempts_max,
                    cancel_requested: false,
                    states: vec![JobState::Queued],
                    lease: None,
                });
            }
            Event::Lease { is_special } => self.lease(is_special).await,
            Event::Finish { which, ending } => self.finish(which, ending).await,
            Event::Hear { which } => self.hear(which).await,
            Event::Lose { which } => self.lose(which).await,
            Event::Cancel { which } => self.cancel(which).await,
            Event::Delete { which } => self.delete(which).await,
            Event::GiveUp => self.give_up().await,
        }
    }

    async fn lease(&mut self, is_special: bool) {
        self.model.is_special_known |= is_special;
        let expected = self.model.next(is_special);
        let leased = self.queue.jobs.lease(&self.asks(is_special), None).await;
        let leased = leased.unwrap();
        let expected_id = expected.map(|index| self.model.jobs[index].id);
        assert_eq!(leased.as_ref().map(|lease| lease.job), expected_id);
        if let (Some(index), Some(lease)) = (expected, leased) {
            let job = &mut self.model.jobs[index];
            job.states.push(JobState::Running);
            job.attempts_left -= 1;
            job.lease = Some(lease);
        }
    }

    fn running(&self, which: usize) -> Option<usize> {
        let model = &self.model;
        model.pick(which, |job| job.state() == JobState::Running)
    }

    async fn finish(&mut self, which: usize, ending: AttemptEnding) {
        let Some(index) = self.running(which) else {
            return;
        };
        let job = &mut self.model.jobs[index];
        let lease = job.lease.take().unwrap();
        self.queue.finish(&lease, ending).await;
        job.states.push(match ending {
            AttemptEnding::Passed => JobState::Passed,
            AttemptEnding::Failed => JobState::Failed,
            AttemptEnding::Error => JobState::Error,
            AttemptEnding::TimedOut => JobState::TimedOut,
            AttemptEnding::Cancelled => JobState::Cancelled,
            AttemptEnding::Released if job.cancel_requested => JobState::Cancelled,
            AttemptEnding::Released => {
                job.attempts_left += 1;
                JobState::Queued
            }
        });
        self.model.stale.push(lease);
    }

    async fn hear(&mut self, which: usize) {
        if let Some(index) = self.running(which) {
            let job = &self.model.jobs[index];
            let lease = job.lease.as_ref().unwrap();
            let heard = self.queue.jobs.heartbeat(lease.job, lease.attempt).await;
            assert_eq!(heard.unwrap().cancel, job.cancel_requested);
        }
        if !self.model.stale.is_empty() {
            let stale = &self.model.stale[which % self.model.stale.len()];
            let heard = self.queue.jobs.heartbeat(stale.job, stale.attempt).await;
            assert!(matches!(heard, Err(JobsError::LeaseLost)), "{heard:?}");
        }
    }

    async fn lose(&mut self, which: usize) {
        let Some(index) = self.running(which) else {
            return;
        };
        let job = &mut self.model.jobs[index];
        let lease = job.lease.take().unwrap();
        let all = self.queue.jobs.going_on().await.unwrap();
        let silent = all.iter().find(|one| one.attempt == lease.attempt);
        assert!(self.queue.jobs.expire(silent.unwrap()).await.unwrap());
        job.states
            .push(match (job.cancel_requested, job.attempts_left) {
                (true, _) => JobState::Cancelled,
                (false, 0) => JobState::Error,
                (false, _) => JobState::Queued,
            });
        self.model.stale.push(lease);
    }

    async fn cancel(&mut self, which: usize) {
        let Some(index) = self.model.pick(which, |_| true) else {
            return;
        };
        let job = &mut self.model.jobs[index];
        let outcome = self.queue.jobs.cancel(job.id, "").await;
        match job.state() {
            JobState::Queued => {
                job.states.push(JobState::Cancelled);
                assert!(outcome.is_ok());
            }
            JobState::Running => {
                job.cancel_requested = true;
                assert!(outcome.unwrap().cancel_requested);
            }
            _ => assert!(matches!(outcome, Err(JobsError::WrongState(_)))),
        }
    }

    async fn delete(&mut self, which: usize) {
        let Some(index) = self.model.pick(which, |_| true) else {
            return;
        };
        let job = &self.model.jobs[index];
        let outcome = self.queue.jobs.delete(job.id).await;
        if job.state().is_over() {
            assert!(outcome.is_ok(), "{outcome:?}");
            self.model.jobs.remove(index);
        } else {
            assert!(matches!(outcome, Err(JobsError::WrongState(_))));
        }
    }

    async fn give_up(&mut self) {
        let late = Utc::now() + chrono::Duration::days(2);
        let given_up = self.queue.jobs.give_up_waiting(late).await.unwrap();
        let waiting = |job: &&mut Known| job.state() == JobState::Queued;
        let mut expected = 0;
        for job in self.model.jobs.iter_mut().filter(waiting) {
            job.states.push(JobState::FailedToStart);
            expected += 1;
        }
        assert_eq!(given_up, expected);
    }

    /// What is there is what the model says.
    async fn compare(&self) {
        for known in &self.model.jobs {
            let job = self.queue.get(known.id).await;
            assert_eq!(states(&job), known.states, "job {}", known.id);
            assert_eq!(job.state, known.state());
            assert_eq!(job.finished_at.is_some(), known.state().is_over());
            let begun = |state: &&JobState| **state == JobState::Running;
            let begun = known.states.iter().filter(begun).count();
            assert_eq!(job.attempts.len(), begun);
            assert!(job.transitions.is_sorted_by_key(|one| one.at));
        }
        for (environment, (name, capacity)) in ENVIRONMENTS.iter().enumerate() {
            let Some(name) = name else {
                continue;
            };
            let there = self.queue.jobs.environment(name, None).await.unwrap();
            assert_eq!(there.holders.len(), self.model.holders(environment));
            assert!(there.holders.len() <= *capacity);
        }
    }

    /// Every job comes to its end.
    async fn end(&mut self) {
        loop {
            while let Some(index) = self.running(0) {
                self.finish(0, AttemptEnding::Passed).await;
                assert!(self.model.jobs[index].state().is_over());
            }
            self.lease(true).await;
            if self.running(0).is_none() {
                break;
            }
        }
        assert!(self.model.jobs.iter().all(|job| job.state().is_over()));
        assert_eq!(self.queue.jobs.going_on().await.unwrap(), []);
    }
}

async fn whatever_happens_to_jobs_is_what_a_simple_model_says(db: &Database) {
    let queue = Queue::open(db).await;
    queue.environment("lab", 2).await;
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let sequences = prop::collection::vec(event(), 1..LENGTH_MAX);
    for number in 0..SEQUENCES {
        let events = sequences.new_tree(&mut runner).unwrap().current();
        let mut pair = Pair {
            queue: &queue,
            model: Model::default(),
            label: format!("sequence={number}"),
        };
        for event in events {
            // Shown when something fails.
            eprintln!("{number}: {event:?}");
            pair.happen(event).await;
        }
        pair.compare().await;
        pair.end().await;
        pair.compare().await;
    }
    queue.close().await;
}
