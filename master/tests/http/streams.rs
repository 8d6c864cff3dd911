//! Runs that are reported while they go on: `PUT /results/{run_id}`, `/cases`, `/finish`.

use std::time::{Duration, Instant};

use master::config::Config;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::app::{Answer, App, run_with_cases, sqlite_url};

/// Longest time in which something has to happen that happens on its own.
const DEADLINE: Duration = Duration::from_mins(1);

async fn send(app: &App, method: Method, path: &str, body: &Value) -> Answer {
    let json = [("content-type", "application/json")];
    app.request(method, path, &json, body.to_string().into_bytes())
        .await
}

async fn open(app: &App, run_id: &str) -> Answer {
    send(
        app,
        Method::PUT,
        &format!("/results/{run_id}"),
        &opening(run_id),
    )
    .await
}

async fn append(app: &App, run_id: &str, batch: &Value) -> Answer {
    send(
        app,
        Method::POST,
        &format!("/results/{run_id}/cases"),
        batch,
    )
    .await
}

async fn finish(app: &App, run_id: &str, batches: u64) -> Answer {
    let body = json!({"batches": batches, "run": opening(run_id)});
    send(
        app,
        Method::POST,
        &format!("/results/{run_id}/finish"),
        &body,
    )
    .await
}

fn opening(run_id: &str) -> Value {
    json!({"run_id": run_id, "worker_id": "w", "project": "p", "branch": "main"})
}

/// The cases of [`run_with_cases`] as a batch, those from `first` on.
fn batch(number: u64, first: usize, outcomes: &[&str]) -> Value {
    let mut before = vec!["passed"; first];
    before.extend(outcomes);
    let run = run_with_cases("any", &before);
    let cases = &run["cases"].as_array().unwrap()[first..];
    json!({"number": number, "batch_id": format!("id-{number}"), "cases": cases})
}

async fn status(app: &App, run_id: &str) -> String {
    let run = app.json(&format!("/results/{run_id}")).await;
    run["status"].as_str().unwrap().to_owned()
}

async fn until_status_is(app: &App, run_id: &str, expected: &str) {
    let begun = Instant::now();
    while status(app, run_id).await != expected {
        assert!(begun.elapsed() < DEADLINE, "never {expected}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn silence(config: &mut Config, milliseconds: u64) {
    config.worker_silence_max = Duration::from_millis(milliseconds);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_sent_in_pieces_is_the_run_sent_whole() {
    let app = App::start().await;
    let opened = open(&app, "r").await;
    assert_eq!(opened.status, 201, "{}", opened.text());
    let running = json!({"run_id": "r", "status": "running", "batches": 0});
    assert_eq!(opened.json(), running);
    assert_eq!(open(&app, "r").await.status, 200);

    for status in [201, 200] {
        let first = append(&app, "r", &batch(1, 0, &["passed", "failed"])).await;
        assert_eq!(first.status, status, "{}", first.text());
        assert_eq!(first.json()["batches"], 1);
    }
    let alive = append(&app, "r", &json!({"progress": {"running": ["a"]}})).await;
    assert_eq!(
        (alive.status.as_u16(), alive.json()["batches"].as_u64()),
        (200, Some(1))
    );
    let listed = app.json("/results?status=running").await;
    assert_eq!(
        (&listed[0]["passed"], &listed[0]["failed"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(app.json("/trend").await, json!([]));
    assert_eq!(app.json("/workers").await, json!([]));
    append(&app, "r", &batch(2, 2, &["skipped"])).await;

    let finished = finish(&app, "r", 2).await;
    assert_eq!(finished.status, 201, "{}", finished.text());
    assert_eq!(finished.json(), json!({"run_id": "r", "status": "saved"}));
    assert_eq!(finished.header("location"), "/results/r");
    assert_eq!(finish(&app, "r", 2).await.status, 200);
    let whole = run_with_cases("r", &["passed", "failed", "skipped"]);
    assert_eq!(app.post(&whole).await.status, 200);
    assert_eq!(app.json("/results/r").await["status"], "failed");
    assert_eq!(app.json("/results").await.as_array().unwrap().len(), 1);
    assert_eq!(app.json("/trend").await.as_array().unwrap().len(), 1);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_is_a_problem_with_a_code_of_its_own() {
    let app = App::start().await;
    let one = batch(1, 0, &["passed"]);
    append(&app, "r", &one).await.problem(404, "run_not_found");
    finish(&app, "r", 0).await.problem(404, "run_not_found");
    open(&app, "r").await;
    let other = json!({"run_id": "r", "worker_id": "other"});
    let other = send(&app, Method::PUT, "/results/r", &other).await;
    assert_eq!(other.problem(409, "run_conflict"), "run_id");

    let gap = append(&app, "r", &batch(2, 0, &["passed"])).await;
    assert_eq!(gap.problem(409, "batch_gap"), "number");
    append(&app, "r", &one).await;
    let mut taken = one.clone();
    taken["batch_id"] = json!("another");
    let taken = append(&app, "r", &taken).await;
    assert_eq!(taken.problem(409, "batch_conflict"), "number");
    let missing = finish(&app, "r", 2).await;
    assert_eq!(missing.problem(409, "batches_missing"), "batches");

    finish(&app, "r", 1).await;
    for late in [
        append(&app, "r", &batch(2, 1, &["passed"])).await,
        open(&app, "r").await,
    ] {
        assert_eq!(late.problem(409, "run_finished"), "run_id");
    }
    let again = json!({"batches": 1, "run": {"run_id": "r", "worker_id": "w", "duration": 5}});
    let again = send(&app, Method::POST, "/results/r/finish", &again).await;
    assert_eq!(again.problem(409, "run_finished"), "run_id");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_at_fault_is_named_in_all_three_bodies() {
    let app = App::start().await;
    let put = async |body: Value| {
        let answer = send(&app, Method::PUT, "/results/r", &body).await;
        answer.problem(422, "invalid_field")
    };
    assert_eq!(put(opening("another")).await, "run_id");
    assert_eq!(put(json!({"run_id": "r"})).await, "worker_id");
    assert_eq!(put(run_with_cases("r", &["passed"])).await, "cases");
    open(&app, "r").await;
    for (body, field) in [
        (batch(1, 0, &["green"]), "cases[0].outcome"),
        (batch(0, 0, &["passed"]), "number"),
        (batch(1, 0, &["passed"; 501]), "cases"),
        (json!({"number": -1}), "number"),
        (json!({"progress": {"running": [1]}}), "progress.running[0]"),
    ] {
        let answer = append(&app, "r", &body).await;
        assert_eq!(answer.problem(422, "invalid_field"), field, "{body}");
    }
    for (body, field) in [
        (json!({"batches": 0}), "run"),
        (json!({"run": opening("r")}), "batches"),
        (json!({"batches": 0, "run": opening("x")}), "run.run_id"),
        (
            json!({"batches": 0, "run": run_with_cases("r", &["passed"])}),
            "run.cases",
        ),
    ] {
        let answer = send(&app, Method::POST, "/results/r/finish", &body).await;
        assert_eq!(answer.problem(422, "invalid_field"), field, "{body}");
    }
    let text = send(&app, Method::PUT, "/results/r", &json!("text")).await;
    text.problem(422, "invalid_field");
    assert_eq!(app.json("/results/r").await["total"], 0);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_run_completes_what_its_worker_began() {
    let app = App::start().await;
    open(&app, "r").await;
    append(&app, "r", &batch(1, 0, &["failed"])).await;
    let mut whole = run_with_cases("r", &["passed", "passed"]);
    whole["worker_id"] = json!("other");
    app.post(&whole).await.problem(409, "run_conflict");
    whole["worker_id"] = json!("w");
    assert_eq!(app.post(&whole).await.status, 201);
    assert_eq!(app.post(&whole).await.status, 200);
    assert_eq!(status(&app, "r").await, "passed");
    assert_eq!(app.json("/failures/stats").await, json!([]));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_run_is_lost_until_its_worker_comes_back() {
    let app = App::start_with(|config| silence(config, 500)).await;
    open(&app, "r").await;
    let mut first = batch(1, 0, &["passed", "failed"]);
    first["progress"] = json!({"collected": 4, "running": ["tests/test_a.py::test_2"]});
    append(&app, "r", &first).await;
    until_status_is(&app, "r", "lost").await;
    let lost = app.json("/results/r").await;
    assert_eq!(
        (&lost["total"], &lost["complete"]),
        (&json!(3), &json!(false))
    );
    let crashed = app.json("/results/r/cases?outcome=crashed").await;
    assert_eq!(crashed[0]["nodeid"], "tests/test_a.py::test_2");
    assert_eq!(
        app.json("/failures/stats").await.as_array().unwrap().len(),
        2
    );

    // It was only asleep.
    let rest = append(&app, "r", &batch(2, 2, &["passed", "passed"])).await;
    assert_eq!(rest.status, 201, "{}", rest.text());
    let finished = finish(&app, "r", 2).await;
    assert_eq!(finished.status, 201, "{}", finished.text());
    let run = app.json("/results/r").await;
    assert_eq!(
        (&run["total"], &run["status"]),
        (&json!(4), &json!("failed"))
    );
    assert_eq!(
        app.json("/failures/stats").await.as_array().unwrap().len(),
        1
    );
    assert_eq!(app.json("/workers").await[0]["run_count"], 1);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signs_of_life_keep_a_run_open() {
    let app = App::start_with(|config| silence(config, 3_000)).await;
    open(&app, "alive").await;
    open(&app, "silent").await;
    let begun = Instant::now();
    while status(&app, "silent").await == "running" {
        assert!(begun.elapsed() < DEADLINE, "it was never lost");
        let alive = append(&app, "alive", &json!({})).await;
        assert_eq!(alive.status, 200, "{}", alive.text());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(
        begun.elapsed() >= Duration::from_millis(2_900),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(status(&app, "alive").await, "running");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_was_away_itself_gives_workers_a_whole_period() {
    let folder = tempfile::tempdir().unwrap();
    let url = sqlite_url(folder.path());
    let configure = |config: &mut Config| {
        config.database_url.clone_from(&url);
        silence(config, 4_000);
    };
    let app = App::start_with(configure).await;
    open(&app, "r").await;
    append(&app, "r", &batch(1, 0, &["passed"])).await;
    app.stop().await;
    tokio::time::sleep(Duration::from_secs(5)).await;

    let app = App::start_with(configure).await;
    let begun = Instant::now();
    until_status_is(&app, "r", "lost").await;
    assert!(
        begun.elapsed() >= Duration::from_millis(3_800),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(finish(&app, "r", 1).await.status, 201);
    assert_eq!(status(&app, "r").await, "passed");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_may_be_packed_and_hold_what_python_cannot_encode() {
    let app = App::start().await;
    open(&app, "r").await;
    let body = br#"{"number": 1, "batch_id": "b", "cases":
        [{"nodeid": "t.py::test[\udcff]", "outcome": "failed", "message": "\ud800"}]}"#;
    let packed = zstd::bulk::compress(body, 3).unwrap();
    let headers = [
        ("content-type", "application/json"),
        ("content-encoding", "zstd"),
    ];
    let answer = app
        .request(Method::POST, "/results/r/cases", &headers, packed)
        .await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    finish(&app, "r", 1).await;
    let cases = app.json("/results/r/cases").await;
    assert_eq!(cases[0]["nodeid"], r"t.py::test[\udcff]");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_finish_goes_on_when_its_client_has_gone() {
    let app = App::start().await;
    open(&app, "r").await;
    let outcomes = ["passed"; 500];
    for number in 0..20 {
        let batch = batch(number as u64 + 1, number * outcomes.len(), &outcomes);
        assert_eq!(append(&app, "r", &batch).await.status, 201);
    }
    let body = json!({"batches": 20, "run": opening("r")}).to_string();
    let head = format!(
        "POST /results/r/finish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    let mut client = tokio::net::TcpStream::connect(app.address()).await.unwrap();
    client.write_all((head + &body).as_bytes()).await.unwrap();
    // Long enough to be heard, not long enough to be answered.
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(client);
    until_status_is(&app, "r", "passed").await;
    assert_eq!(finish(&app, "r", 20).await.status, 200);
    app.stop().await;
}
