//! Whoever creates jobs, and agents that speak the protocol and run nothing.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use chrono::Utc;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use shared::job::{Step, StepName};
use shared::lease::{AttemptEnding, FinishAttempt, Lease, LeaseRequest};
use xtask::http::Connection;

/// The file of the library that jobs are made of.
pub(super) const FILE: &str = "test_it.py";
/// Longest time for an answer, beyond what a question may wait.
const ANSWER_TIME_MAX: Duration = Duration::from_mins(1);

/// One connection to a master.
pub(super) struct Client {
    connection: Connection,
}

impl Client {
    /// Connects.
    pub(super) fn open(url: &str) -> Result<Self> {
        Ok(Self {
            connection: Connection::open_within(url, ANSWER_TIME_MAX)?,
        })
    }

    /// Creates a job of the library; answers with its id.
    pub(super) fn create(&mut self, file: &str, environment: Option<&str>) -> Result<i64> {
        let job: Value = self
            .post(
                "/jobs",
                &json!({
                    "username": "bench",
                    "project": "bench",
                    "source": {"type": "library", "files": [file]},
                    "args": ["-s"],
                    "environment": environment,
                }),
            )?
            .context("POST /jobs answered nothing")?;
        job["id"].as_i64().context("a job without an id")
    }

    /// A job as the master shows it.
    pub(super) fn job(&mut self, id: i64) -> Result<Value> {
        let answer = self.connection.get(&format!("/jobs/{id}"))?;
        if answer.status != 200 {
            bail!("GET /jobs/{id} answered {}", answer.status);
        }
        serde_json::from_slice(&answer.body).context("a job that is no JSON")
    }

    /// Asks for a job for at most so many seconds.
    pub(super) fn lease(&mut self, agent: &str, wait_s: u32) -> Result<Option<Lease>> {
        let request = LeaseRequest {
            agent: agent.to_owned(),
            slots: 1,
            version: "bench".to_owned(),
            wait_s,
            ..LeaseRequest::default()
        };
        self.post("/agents/lease", &request)
    }

    /// Says that the first step has begun.
    pub(super) fn begin(&mut self, lease: &Lease) -> Result<()> {
        let step = Step {
            name: StepName::Fetch,
            started_at: Utc::now(),
            finished_at: None,
            text: String::new(),
        };
        self.post::<Value>(&path(lease, "steps"), &step).map(drop)
    }

    /// Adds to the log; answers with the next offset.
    pub(super) fn log(&mut self, lease: &Lease, offset: usize, piece: &[u8]) -> Result<usize> {
        let path = path(lease, &format!("log?offset={offset}"));
        let answer = self.connection.post(&path, piece, None)?;
        if answer.status != 200 {
            let said = String::from_utf8_lossy(&answer.body).into_owned();
            bail!("POST {path} answered {}: {said}", answer.status);
        }
        Ok(offset + piece.len())
    }

    /// Says that it passed.
    pub(super) fn finish(&mut self, lease: &Lease) -> Result<()> {
        let finish = FinishAttempt {
            ending: AttemptEnding::Passed,
            error_kind: None,
            error: None,
            exit_code: Some(0),
        };
        self.post::<Value>(&path(lease, "finish"), &finish)
            .map(drop)
    }

    fn post<T: DeserializeOwned>(
        &mut self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Option<T>> {
        let body = serde_json::to_vec(body)?;
        let answer = self.connection.post(path, &body, None)?;
        match answer.status {
            204 => Ok(None),
            200 | 201 if answer.body.is_empty() => Ok(None),
            200 | 201 => serde_json::from_slice(&answer.body)
                .map(Some)
                .with_context(|| format!("POST {path} answered something else")),
            status => {
                let said = String::from_utf8_lossy(&answer.body).into_owned();
                bail!("POST {path} answered {status}: {said}")
            }
        }
    }
}

fn path(lease: &Lease, last: &str) -> String {
    format!("/jobs/{}/attempts/{}/{last}", lease.job, lease.attempt)
}
