//! Calls about jobs: as people make them, and as an agent does.

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{Answer, App};

/// A job of a git repository.
pub(crate) fn git_job(username: &str) -> Value {
    json!({"username": username, "project": "shop",
        "source": {"type": "git", "url": "https://example.org/shop.git", "branch": "main"}})
}

/// A job that needs an environment.
pub(crate) fn job_in(username: &str, environment: &str) -> Value {
    let mut job = git_job(username);
    job["environment"] = environment.into();
    job
}

/// How an attempt that passed ends.
pub(crate) fn passed() -> Value {
    json!({"ending": "passed", "exit_code": 0})
}

impl App {
    /// Sends JSON, or nothing where the body is `null`.
    pub(crate) async fn send(&self, method: Method, path: &str, body: &Value) -> Answer {
        if body.is_null() {
            return self.request(method, path, &[], Vec::new()).await;
        }
        let json = [("content-type", "application/json")];
        let body = body.to_string().into_bytes();
        self.request(method, path, &json, body).await
    }

    /// Posts what must be taken with this status.
    pub(crate) async fn posted(&self, path: &str, body: &Value, status: u16) -> Value {
        let answer = self.send(Method::POST, path, body).await;
        assert_eq!(answer.status, status, "POST {path}: {}", answer.text());
        if answer.bytes.is_empty() {
            return Value::Null;
        }
        answer.json()
    }

    /// Queues a job.
    pub(crate) async fn queue(&self, job: Value) -> Value {
        self.posted("/jobs", &job, 201).await
    }

    /// What an agent gets that asks and does not wait; `null` for nothing.
    pub(crate) async fn lease(&self, agent: &str) -> Value {
        let answer = self
            .send(Method::POST, "/agents/lease", &json!({"agent": agent}))
            .await;
        match answer.status.as_u16() {
            200 => answer.json(),
            204 => Value::Null,
            status => panic!("{status}: {}", answer.text()),
        }
    }

    /// The job that an agent must get.
    pub(crate) async fn leased(&self, agent: &str) -> Value {
        let lease = self.lease(agent).await;
        assert!(lease.is_object(), "there was nothing for {agent}");
        lease
    }

    /// Sends a piece of a log.
    pub(crate) async fn log(&self, lease: &Value, offset: usize, piece: &[u8]) -> Answer {
        let path = format!("{}?offset={offset}", of(lease, "log"));
        self.request(Method::POST, &path, &[], piece.to_vec()).await
    }

    /// Sends a piece of a log that must be kept, whole.
    pub(crate) async fn logged(&self, lease: &Value, offset: usize, piece: &[u8]) {
        let answer = self.log(lease, offset, piece).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["bytes"], offset + piece.len());
    }

    /// Ends an attempt.
    pub(crate) async fn finished(&self, lease: &Value, finish: &Value) -> Value {
        self.posted(&of(lease, "finish"), finish, 200).await
    }
}

/// The path of a call about an attempt.
pub(crate) fn of(lease: &Value, call: &str) -> String {
    let (job, attempt) = (&lease["job"], &lease["attempt"]);
    format!("/jobs/{job}/attempts/{attempt}/{call}")
}
