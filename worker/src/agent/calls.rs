//! What an agent says to its master.

use std::future::Future;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::job::Step;
use shared::lease::{FinishAttempt, Heartbeat, Lease, LeaseRequest, LogKept};

use super::attempt::{Leased, Reporting};
use crate::client::{Answer, Client, Request, SendError};
use crate::config::Token;

/// Longest wait for an answer that has nothing to wait for.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Largest answer: a lease with all that a job may hold, as JSON may write it.
const ANSWER_BYTES_MAX: usize = 16 * shared::limits::JOB_BODY_BYTES_MAX;

/// What the master says of an attempt that is over, and of a job that is gone.
const LOST: [&str; 3] = ["lease_lost", "job_not_found", "attempt_not_found"];

/// What it says of a piece of a log that leaves a gap.
const GAP: &str = "log_gap";

/// Why the master did not take what an agent says about its job.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The lease is over: it is somebody else's job, or nobody's.
    #[error("the lease is over")]
    Lost,
    /// The log has a gap before this piece.
    #[error("the master lacks an earlier piece of the log")]
    Gap,
    /// It did not arrive, or was refused.
    #[error(transparent)]
    Send(#[from] SendError),
}

impl CallError {
    /// Whether the same may be taken later. What is wrong with a token can be put right.
    pub const fn is_worth_a_retry(&self) -> bool {
        match self {
            Self::Send(SendError::Answered { status, .. }) if matches!(*status, 401 | 403) => true,
            Self::Send(error) => error.is_transient(),
            Self::Lost | Self::Gap => false,
        }
    }
}

/// What is said about an attempt.
struct Words<'a> {
    what: &'a str,
    query: &'a [(&'a str, String)],
    content_type: &'static str,
    body: Vec<u8>,
    timeout: Duration,
}

impl Default for Words<'_> {
    fn default() -> Self {
        Self {
            what: "",
            query: &[],
            content_type: "application/json",
            body: Vec::new(),
            timeout: ANSWER_MAX,
        }
    }
}

/// A connection to the master. One call at a time.
#[derive(Debug)]
pub struct Calls(Client);

impl Calls {
    /// Nothing is connected yet.
    pub fn new(reporting: &Reporting) -> Result<Self, SendError> {
        let token = reporting.token.clone().map(Token);
        Client::new(&reporting.master_url, token).map(Self)
    }

    /// Asks for a job, and waits for one as long as the request says, unless `given_up` comes first.
    pub fn lease(
        &self,
        request: &LeaseRequest,
        given_up: impl Future<Output = ()>,
    ) -> Result<Option<Lease>, SendError> {
        let timeout = Duration::from_secs(request.wait_s.into()) + ANSWER_MAX;
        let request = Request {
            place: &["agents", "lease"],
            query: &[],
            content_type: "application/json",
            body: json(request)?,
            timeout,
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        let answer = self.0.post(request, given_up)?;
        match answer.status {
            204 => Ok(None),
            200..=299 => self.read(&answer).map(Some),
            _ => Err(self.0.refused(answer.status, &answer.body)),
        }
    }

    /// Says that the job goes on, and hears whether it is to.
    pub fn heartbeat(
        &self,
        of: Leased,
        timeout: Duration,
        given_up: impl Future<Output = ()>,
    ) -> Result<Heartbeat, CallError> {
        let words = Words {
            what: "heartbeat",
            timeout,
            ..Words::default()
        };
        let answer = self.about(of, words, given_up)?;
        Ok(self.read(&answer)?)
    }

    /// Sends a piece of the log.
    pub fn log(
        &self,
        of: Leased,
        offset: u64,
        piece: Vec<u8>,
        given_up: impl Future<Output = ()>,
    ) -> Result<LogKept, CallError> {
        let query = [("offset", offset.to_string())];
        let words = Words {
            what: "log",
            query: &query,
            content_type: "application/octet-stream",
            body: piece,
            ..Words::default()
        };
        let answer = self.about(of, words, given_up)?;
        Ok(self.read(&answer)?)
    }

    /// Tells of a step.
    pub fn step(
        &self,
        of: Leased,
        step: &Step,
        given_up: impl Future<Output = ()>,
    ) -> Result<(), CallError> {
        let words = Words {
            what: "steps",
            body: json(step)?,
            ..Words::default()
        };
        self.about(of, words, given_up).map(drop)
    }

    /// Says how the attempt ended.
    pub fn finish(
        &self,
        of: Leased,
        finish: &FinishAttempt,
        given_up: impl Future<Output = ()>,
    ) -> Result<(), CallError> {
        let words = Words {
            what: "finish",
            body: json(finish)?,
            ..Words::default()
        };
        self.about(of, words, given_up).map(drop)
    }

    fn about(
        &self,
        of: Leased,
        words: Words,
        given_up: impl Future<Output = ()>,
    ) -> Result<Answer, CallError> {
        let (job, attempt) = (of.job.to_string(), of.attempt.to_string());
        let request = Request {
            place: &["jobs", &job, "attempts", &attempt, words.what],
            query: words.query,
            content_type: words.content_type,
            body: words.body,
            timeout: words.timeout,
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        let answer = self.0.post(request, given_up)?;
        if (200..300).contains(&answer.status) {
            return Ok(answer);
        }
        match answer.problem() {
            Some(problem) if LOST.contains(&problem.code.as_str()) => Err(CallError::Lost),
            Some(problem) if problem.code == GAP => Err(CallError::Gap),
            _ => Err(self.0.refused(answer.status, &answer.body).into()),
        }
    }

    fn read<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, SendError> {
        // What is no answer of a master is told as one that refuses.
        let read = serde_json::from_slice(&answer.body);
        read.map_err(|_| self.0.refused(answer.status, &answer.body))
    }
}

fn json(body: &impl Serialize) -> Result<Vec<u8>, SendError> {
    serde_json::to_vec(body).map_err(|error| SendError::Client(error.to_string()))
}
