//! A disk that is full: told to come back, nothing half-written, and all is well once there is room.

use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};

use crate::app::{client, sqlite_url};
use crate::process::{Process, send};

/// A run whose output no packer makes small.
fn report(run_id: &str, kibibytes: usize) -> Value {
    let mut noise = 0x9E37_79B9_7F4A_7C15_u64;
    let mut text = String::new();
    while text.len() < kibibytes * 1_024 {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        text += &format!("{noise:016x}");
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

#[tokio::test(flavor = "multi_thread")]
async fn every_report_is_told_to_come_back_and_taken_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let master = Process::start(&sqlite_url(folder.path()));
    let client = client();
    let url = |path: &str| format!("{}{path}", master.url);
    let post = |body: Value| {
        let (client, url) = (client.clone(), url("/results"));
        async move { send(&client, Method::POST, &url, &body).await.unwrap() }
    };
    assert_eq!(post(report("before", 10)).await.0, 201);
    let opening = |run_id: &str| json!({"run_id": run_id, "worker_id": "w", "project": "p"});
    let put = send(
        &client,
        Method::PUT,
        &url("/results/live"),
        &opening("live"),
    )
    .await;
    assert_eq!(put.unwrap().0, 201);

    master.limit_files(Some(256 * 1_024));
    let large = report("during", 2_000);
    let batch = json!({"number": 1, "batch_id": "b1", "cases": large["cases"]});
    let finish = json!({"batches": 0, "run": opening("live")});
    let calls = [
        (Method::POST, "/results", &large),
        (Method::POST, "/results/live/cases", &batch),
    ];
    for (method, path, body) in calls.clone() {
        let answer = client
            .request(method, url(path))
            .json(body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 503, "{path}");
        assert!(answer.headers().contains_key("retry-after"), "{path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["code"], "database_unavailable", "{path}");
    }
    // The disk fills up to its last block: then even the smallest write fails.
    let mut small = 0;
    while post(report(&format!("small{small}"), 4)).await.0 == 201 {
        small += 1;
        assert!(small < 500, "the disk never gets full");
    }
    for (method, path, body) in [
        (Method::PUT, "/results/other", &opening("other")),
        (Method::POST, "/results/live/finish", &finish),
    ] {
        let status = send(&client, method, &url(path), body).await.unwrap().0;
        // A call that fits into the last free bytes may succeed; nothing else may happen.
        assert!([201, 503].contains(&status), "{path}: {status}");
    }
    let health = client.get(url("/health")).send().await.unwrap();
    assert_eq!(health.status(), 503);
    assert!(health.headers().contains_key("retry-after"));
    // Reading goes on all the while.
    let listed: Value = client
        .get(url("/results?limit=500"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let whole = listed
        .as_array()
        .unwrap()
        .iter()
        .filter(|run| run["status"] == "failed")
        .count();
    assert_eq!(whole, small + 1);

    master.limit_files(None);
    let health = client.get(url("/health")).send().await.unwrap();
    assert_eq!(health.status(), 200);
    for (method, path, body) in calls {
        let status = send(&client, method, &url(path), body).await.unwrap().0;
        assert!([200, 201, 409].contains(&status), "{path}: {status}");
    }
    for number in 0..=small {
        let status = post(report(&format!("small{number}"), 4)).await.0;
        assert_eq!(status, if number < small { 200 } else { 201 });
    }
    let case = url("/results/during/case?nodeid=t.py::during");
    let case: Value = client.get(case).send().await.unwrap().json().await.unwrap();
    assert_eq!(
        case["failures"].as_array().unwrap().len(),
        large["cases"][0]["failures"].as_array().unwrap().len()
    );
    master.kill();
    check_integrity(folder.path()).await;
}
