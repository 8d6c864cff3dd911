//! A disk that is full: told to come back, nothing half-written, and all is well once there is room.

use std::fmt::Write;
use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};

use crate::app::{client, sqlite_url};
use crate::process::Process;

/// A run whose output no packer makes small.
fn report(run_id: &str, kibibytes: usize) -> Value {
    let mut noise = 0x9E37_79B9_7F4A_7C15_u64;
    let mut text = String::new();
    while text.len() < kibibytes * 1_024 {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        // Writing to a String cannot fail.
        let _ = write!(text, "{noise:016x}");
    }
    let failures: Vec<Value> = text
        .as_bytes()
        .chunks(60_000)
        .map(|part| json!({"phase": "call", "message": run_id, "stdout": String::from_utf8_lossy(part)}))
        .collect();
    json!({"run_id": run_id, "worker_id": "w", "project": "p", "cases": [
        {"nodeid": format!("t.py::{run_id}"), "outcome": "failed", "message": run_id, "failures": failures},
        {"nodeid": "t.py::good", "outcome": "passed"}]})
}

async fn check_integrity(database: &Path) {
    let mut connection = SqliteConnection::connect(&sqlite_url(database))
        .await
        .unwrap();
    let found: String = sqlx::query_scalar("pragma integrity_check")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(found, "ok");
    connection.close().await.unwrap();
}

/// A master whose disk can be filled.
struct Disk {
    master: Process,
    client: reqwest::Client,
}

impl Disk {
    async fn get(&self, path: &str) -> reqwest::Response {
        let url = format!("{}{path}", self.master.url);
        self.client.get(url).send().await.unwrap()
    }

    async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.unwrap()
    }

    /// Sends a body; whoever is told to come back is told so properly.
    async fn send(&self, (method, path, body): &(Method, &str, Value)) -> u16 {
        let url = format!("{}{path}", self.master.url);
        let request = self.client.request(method.clone(), url).json(body);
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        if status >= 400 {
            assert_eq!(status, 503, "{path}");
            assert!(answer.headers().contains_key("retry-after"), "{path}");
            let kind = &answer.headers()["content-type"];
            assert_eq!(kind, "application/problem+json", "{path}");
            let problem: Value = answer.json().await.unwrap();
            assert_eq!(problem["code"], "database_unavailable", "{path}");
        }
        status
    }

    async fn post(&self, run: Value) -> u16 {
        self.send(&(Method::POST, "/results", run)).await
    }

    /// Sends small runs until not one more fits; answers how many did.
    async fn fill(&self) -> usize {
        let mut taken = 0;
        while self.post(report(&format!("small{taken}"), 4)).await == 201 {
            taken += 1;
            assert!(taken < 500, "the disk never gets full");
        }
        taken
    }
}

fn opening(run_id: &str) -> Value {
    json!({"run_id": run_id, "worker_id": "w", "project": "p"})
}

#[tokio::test(flavor = "multi_thread")]
async fn every_report_is_told_to_come_back_and_taken_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk {
        master: Process::start(&sqlite_url(folder.path())),
        client: client(),
    };
    assert_eq!(disk.post(report("before", 10)).await, 201);
    for path in ["/results/live", "/results/ended"] {
        let run_id = path.rsplit_once('/').unwrap().1;
        assert_eq!(disk.send(&(Method::PUT, path, opening(run_id))).await, 201);
    }

    disk.master.limit_files(Some(256 * 1_024));
    let cases = report("fed", 2_000)["cases"].clone();
    let batch = json!({"number": 1, "batch_id": "b1", "cases": cases});
    let large = [
        (Method::POST, "/results", report("during", 2_000)),
        (Method::POST, "/results/live/cases", batch),
    ];
    for call in &large {
        assert_eq!(disk.send(call).await, 503);
    }
    let small = disk.fill().await;
    let finish = json!({"batches": 0, "run": opening("ended")});
    let others = [
        (Method::PUT, "/results/opened", opening("opened")),
        (Method::POST, "/results/ended/finish", finish),
    ];
    let mut before = Vec::new();
    for call in &others {
        // One that fits into the last free bytes is taken; nothing else may happen.
        before.push(disk.send(call).await);
    }
    assert_eq!(disk.get("/health").await.status(), 503);
    // Reading goes on all the while, and shows nothing that was refused.
    let listed = disk.json("/results?limit=500&status=failed").await;
    assert_eq!(listed.as_array().unwrap().len(), small + 1);
    assert_eq!(disk.json("/results/live/cases").await, json!([]));

    disk.master.limit_files(None);
    assert_eq!(disk.get("/health").await.status(), 200);
    for call in &large {
        assert_eq!(disk.send(call).await, 201);
    }
    for (call, before) in others.iter().zip(before) {
        let expected = if before == 201 { 200 } else { 201 };
        assert_eq!(disk.send(call).await, expected, "{}", call.1);
    }
    for number in 0..=small {
        let status = disk.post(report(&format!("small{number}"), 4)).await;
        assert_eq!(status, if number < small { 200 } else { 201 });
    }
    let sent = &large[0].2["cases"][0]["failures"];
    let case = disk.json("/results/during/case?nodeid=t.py::during").await;
    for (kept, sent) in case["failures"]
        .as_array()
        .unwrap()
        .iter()
        .zip(sent.as_array().unwrap())
    {
        assert_eq!(kept["stdout"], sent["stdout"]);
    }
    disk.master.kill();
    check_integrity(folder.path()).await;
}
