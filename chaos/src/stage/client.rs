//! A client that sends runs as fast as it may, whole and in batches, and writes down every answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use shared::case::{CaseFailure, NewCase};
use shared::outcome::Outcome;
use shared::run::NewRun;
use shared::stream::{Finish, NewBatch};
use xtask::http::{Answer, Connection};
use xtask::random::Random;

use crate::book::{Book, Entry, Expected};

/// Longest wait for an answer: a master that takes longer is as good as away.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(20);
/// Wait before a request is sent again.
const PAUSE: Duration = Duration::from_millis(25);
/// Most cases of a run.
const CASES_MAX: u64 = 90;
/// How many tests there are to choose from.
const TESTS: u64 = 400;

/// Why a request came to no end.
enum Stopped {
    /// It was time to stop, or the client gave up on purpose.
    GaveUp,
    /// The master said something that it should not have said.
    Refused(String),
}

/// One client.
pub(crate) struct Client<'a> {
    /// The master.
    url: String,
    /// Its name.
    worker_id: String,
    /// Where it writes down what it sends.
    book: &'a Book,
    /// Its choices.
    random: Random,
    /// Tells when to stop, even in the middle of a run; without it, never.
    pub(crate) stop: Option<&'a AtomicBool>,
    /// How often it tries a request.
    pub(crate) tries_max: u64,
    /// Made when it is needed.
    connection: Option<Connection>,
}

impl<'a> Client<'a> {
    /// A client that never gives up.
    pub(crate) fn new(url: &str, worker_id: &str, book: &'a Book, random: Random) -> Self {
        Self {
            url: url.to_owned(),
            worker_id: worker_id.to_owned(),
            book,
            random,
            stop: None,
            tries_max: u64::MAX,
            connection: None,
        }
    }

    /// Sends runs until it is told to stop; answers with what the master refused.
    pub(crate) fn work(&mut self, pause: Duration) -> Vec<String> {
        let mut refused = Vec::new();
        let mut number = 0;
        while !self.stopped() {
            number += 1;
            let run_id = format!("{}-{number}", self.worker_id);
            if let Err(Stopped::Refused(why)) = self.one(&run_id) {
                refused.push(format!("{run_id}: {why}"));
            }
            std::thread::sleep(pause);
        }
        refused
    }

    /// Sends one run, one way or the other.
    fn one(&mut self, run_id: &str) -> Result<(), Stopped> {
        let run = self.make(run_id);
        let way = self.random.below(10);
        if way < 4 {
            return self.whole(&run);
        }
        // One of these is given up after some batches, one is sent whole after all.
        let stop_after = match way {
            4 | 5 => Some(1 + self.random.below(3)),
            _ => None,
        };
        self.open(&run)?;
        let batches = match self.batches(&run, stop_after)? {
            Some(batches) => batches,
            None if way == 4 => return Err(Stopped::GaveUp),
            None => return self.whole(&run),
        };
        self.finish(&run, batches)
    }

    /// Sends one run whole and one in batches; answers with what the master refused.
    pub(crate) fn both_ways(&mut self, name: &str) -> Vec<String> {
        let run = self.make(&format!("{name}-whole"));
        let whole = self.whole(&run);
        let run = self.make(&format!("{name}-streamed"));
        let streamed = self.streamed(&run);
        let refused = [whole, streamed].into_iter().filter_map(|end| match end {
            Err(Stopped::Refused(why)) => Some(why),
            _ => None,
        });
        refused.collect()
    }

    /// Opens a run and says nothing more about it; answers whether it was opened.
    pub(crate) fn open_only(&mut self, run_id: &str) -> bool {
        let run = self.make(run_id);
        self.open(&run).is_ok()
    }

    fn streamed(&mut self, run: &NewRun) -> Result<(), Stopped> {
        self.open(run)?;
        let batches = self.batches(run, None)?.unwrap_or_default();
        self.finish(run, batches)
    }

    fn whole(&mut self, run: &NewRun) -> Result<(), Stopped> {
        self.insist("POST", "/results", &json(run))?;
        self.book.saved(&run.run_id);
        // Sending twice is harmless, also when the first answer arrived.
        if self.random.below(8) == 0 {
            self.insist("POST", "/results", &json(run))?;
        }
        Ok(())
    }

    fn open(&mut self, run: &NewRun) -> Result<(), Stopped> {
        self.insist(
            "PUT",
            &format!("/results/{}", run.run_id),
            &json(&head(run)),
        )?;
        self.book.opened(&run.run_id);
        Ok(())
    }

    /// Sends the batches; answers with their number, or with nothing when it stopped before the
    /// last.
    fn batches(&mut self, run: &NewRun, stop_after: Option<u64>) -> Result<Option<u64>, Stopped> {
        let path = format!("/results/{}/cases", run.run_id);
        let mut sent = 0;
        let mut number = 0;
        let cases = run.cases.as_deref().unwrap_or_default();
        while sent < cases.len() {
            if stop_after.is_some_and(|most| number >= most) {
                return Ok(None);
            }
            number += 1;
            let size = (1 + self.random.below(25) as usize).min(cases.len() - sent);
            let batch = NewBatch {
                number,
                batch_id: format!("{}/{number}", run.run_id),
                cases: cases[sent..sent + size].to_vec(),
                ..NewBatch::default()
            };
            self.insist("POST", &path, &json(&batch))?;
            sent += size;
            self.book.acknowledged(&run.run_id, sent);
            if self.random.below(8) == 0 {
                self.insist("POST", &path, &json(&batch))?;
            }
        }
        Ok(Some(number))
    }

    fn finish(&mut self, run: &NewRun, batches: u64) -> Result<(), Stopped> {
        let finish = Finish {
            batches,
            run: head(run),
        };
        let path = format!("/results/{}/finish", run.run_id);
        self.insist("POST", &path, &json(&finish))?;
        self.book.saved(&run.run_id);
        if self.random.below(8) == 0 {
            self.insist("POST", &path, &json(&finish))?;
        }
        Ok(())
    }

    /// Sends a request again and again, always the same bytes, until it is acknowledged.
    fn insist(&mut self, method: &str, path: &str, body: &[u8]) -> Result<(), Stopped> {
        for _ in 0..self.tries_max {
            match self.attempt(method, path, body) {
                Ok(answer) if matches!(answer.status, 200 | 201) => return Ok(()),
                // A master or a database that is away for the moment.
                Ok(answer) if matches!(answer.status, 429 | 500..=599) => {}
                Ok(answer) => {
                    let why = format!("{method} {path} answered {}", said(&answer));
                    return Err(Stopped::Refused(why));
                }
                Err(_) => self.connection = None,
            }
            if self.stopped() {
                return Err(Stopped::GaveUp);
            }
            std::thread::sleep(PAUSE);
        }
        Err(Stopped::GaveUp)
    }

    fn attempt(&mut self, method: &str, path: &str, body: &[u8]) -> Result<Answer> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open_within(&self.url, ANSWER_TIME_MAX)?,
        };
        let answer = match method {
            "PUT" => connection.put(path, body)?,
            _ => connection.post(path, body, None)?,
        };
        self.connection = Some(connection);
        Ok(answer)
    }

    fn stopped(&self) -> bool {
        self.stop.is_some_and(|stop| stop.load(Ordering::Acquire))
    }

    /// Makes a run and writes down what it amounts to.
    fn make(&mut self, run_id: &str) -> NewRun {
        let project = format!("project-{}", self.random.below(2));
        let count = 1 + self.random.below(CASES_MAX);
        let first = self.random.below(TESTS);
        let cases: Vec<_> = (0..count)
            .map(|step| {
                let test = (first + step * 7) % (TESTS * 7);
                let nodeid = format!("tests/test_{}.py::test_{test}", test % 20);
                self.case(run_id, nodeid)
            })
            .collect();
        let intended = cases.iter().map(expected).collect();
        let entry = Entry {
            worker_id: self.worker_id.clone(),
            project: project.clone(),
            intended,
            ..Entry::default()
        };
        self.book.intend(run_id, entry);
        NewRun {
            run_id: run_id.to_owned(),
            worker_id: self.worker_id.clone(),
            project,
            branch: "main".into(),
            duration: self.random.unit() * 10.0,
            finished: true,
            cases: Some(cases),
            ..NewRun::default()
        }
    }

    fn case(&mut self, run_id: &str, nodeid: String) -> NewCase {
        let outcome = match self.random.below(20) {
            0 | 1 => Outcome::Failed,
            2 => Outcome::Error,
            3 => Outcome::Skipped,
            _ => Outcome::Passed,
        };
        let mut case = NewCase::new(nodeid, outcome);
        case.duration = Some(self.random.unit());
        if outcome.is_bad() {
            let message = format!("token {run_id} {}", case.nodeid);
            case.failures.push(CaseFailure {
                phase: "call".into(),
                message: message.clone(),
                traceback: format!("E   {message}\n").repeat(1 + self.random.below(40) as usize),
                ..CaseFailure::default()
            });
            case.message = Some(message);
        }
        case
    }
}

fn expected(case: &NewCase) -> Expected {
    Expected {
        nodeid: case.nodeid.clone(),
        outcome: case.outcome,
        token: case.message.clone(),
    }
}

/// The run without its cases.
fn head(run: &NewRun) -> NewRun {
    NewRun {
        cases: None,
        ..run.clone()
    }
}

fn json(value: &impl serde::Serialize) -> Vec<u8> {
    // Plain structs of texts and numbers; an empty body would be refused and seen.
    serde_json::to_vec(value).unwrap_or_default()
}

fn said(answer: &Answer) -> String {
    let text = String::from_utf8_lossy(&answer.body);
    format!("{} {}", answer.status, text.trim())
}
