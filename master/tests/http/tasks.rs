//! The task contract, as a runner speaks it.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::App;
use crate::job_calls::{git_job, passed};

/// The result of the contract, earlier shape.
const NESTED: &str = r#"{"testResults": {"isPassed": false, "isError": false, "errorDetails": "", "duration": "15.866", "testCases": [{"name": "test_build::test_successful_make_clean", "isPassed": true, "description": "", "duration": "0.487", "memoryUsed": 1772}]}, "attempt": 21}"#;

async fn take(app: &App) -> Value {
    let answer = app.get("/api/task/available").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("cache-control"), "no-store");
    answer.json()
}

async fn report(app: &App, result: &Value, status: u16) -> Value {
    app.posted("/api/task/result", result, status).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_task_is_told_in_the_words_of_the_contract() {
    let app = App::start().await;
    let answer = app.get("/api/task/available").await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.text(), r#"{"status":"UNAVAILABLE"}"#);
    assert_eq!(answer.header("content-type"), "application/json");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_of_the_earlier_generation_takes_a_task_and_reports_it() {
    let app = App::start().await;
    let mut job = git_job("Steve");
    job["tests"] = json!(["tests/test_a.py::test1", "tests/test_a.py::test2"]);
    app.queue(job).await;
    let task = take(&app).await;
    assert_eq!(task["repositoryUrl"], "https://example.org/shop.git");
    assert_eq!(task["branch"], "main");
    assert_eq!(task["connectedTests"], json!(["test1", "test2"]));
    assert_eq!(task["status"], "AVAILABLE");
    assert_eq!(task["id"], task["attempt"]);
    assert_eq!(app.json("/jobs/1").await["state"], "running");
    let mut result: Value = serde_json::from_str(NESTED).unwrap();
    result["attempt"] = task["attempt"].clone();
    let kept = report(&app, &result, 200).await;
    let run = app
        .json(&format!("/results/{}", kept["run_id"].as_str().unwrap()))
        .await;
    assert_eq!(run["project"], "shop");
    assert_eq!(run["branch"], "main");
    assert_eq!(run["duration"], 15.866);
    let cases = app
        .json(&format!(
            "/results/{}/cases",
            kept["run_id"].as_str().unwrap()
        ))
        .await;
    assert_eq!(cases[0]["nodeid"], "test_build::test_successful_make_clean");
    assert_eq!(cases[0]["outcome"], "passed");
    assert_eq!(cases[0]["duration"], 0.487);
    assert_eq!(cases[0]["memory_peak_kib"], 1772);
    let job = app.json("/jobs/1").await;
    assert_eq!(job["state"], "failed");
    assert_eq!(job["run_id"], kept["run_id"]);
    // Sent twice, it changes nothing.
    assert_eq!(report(&app, &result, 200).await, kept);
    assert_eq!(app.json("/jobs/1").await, job);
    assert_eq!(app.json("/results").await.as_array().unwrap().len(), 1);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_of_the_later_generation_reports_in_its_own_shape() {
    let app = App::start().await;
    app.queue(git_job("Steve")).await;
    let task = take(&app).await;
    assert_eq!(task["connectedTests"], json!([]));
    let result = json!({"id": task["id"], "isPassed": true, "isError": false, "errorDetails": "", "duration": 15_866,
        "testResults": [{"name": "test_build::test_a", "isPassed": true, "description": "", "duration": 487, "memoryUsed": 1772}]});
    let kept = report(&app, &result, 200).await;
    assert_eq!(app.json("/jobs/1").await["state"], "passed");
    let cases = app
        .json(&format!(
            "/results/{}/cases",
            kept["run_id"].as_str().unwrap()
        ))
        .await;
    assert_eq!(cases[0]["duration"], 0.487);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_could_not_be_carried_out_is_an_error_of_its_job() {
    let app = App::start().await;
    app.queue(git_job("Steve")).await;
    let task = take(&app).await;
    let result = json!({"id": task["id"], "isPassed": false, "isError": true, "errorDetails": "no such branch", "duration": 12, "testResults": []});
    let kept = report(&app, &result, 200).await;
    let job = app.json("/jobs/1").await;
    assert_eq!(job["state"], "error");
    assert_eq!(
        job["error"],
        json!({"kind": "subprocess", "text": "no such branch"})
    );
    let run = app
        .json(&format!("/results/{}", kept["run_id"].as_str().unwrap()))
        .await;
    assert_eq!(run["status"], "error");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn results_of_nobody_or_of_a_task_that_is_over_are_refused() {
    let app = App::start().await;
    let result = |number: &Value, is_passed: bool| json!({"id": number, "isPassed": is_passed, "isError": false, "duration": 1, "testResults": []});
    for number in [json!(99), json!(9_007_199_254_740_993_i64)] {
        let answer = app
            .send(Method::POST, "/api/task/result", &result(&number, true))
            .await;
        answer.problem(404, "attempt_not_found");
    }
    app.queue(git_job("Steve")).await;
    let task = take(&app).await;
    report(&app, &result(&task["id"], true), 200).await;
    let other = app
        .send(
            Method::POST,
            "/api/task/result",
            &result(&task["id"], false),
        )
        .await;
    other.problem(409, "lease_lost");
    for (body, field) in [
        (json!({}), "attempt"),
        (json!({"id": "x", "isPassed": true}), "id"),
        (json!({"id": 1, "isPassed": "yes"}), "isPassed"),
        (
            json!({"id": 1, "isPassed": true, "testResults": [{"name": 1}]}),
            "testResults[0].name",
        ),
    ] {
        let answer = app.send(Method::POST, "/api/task/result", &body).await;
        assert_eq!(answer.status, 422, "{body}: {}", answer.text());
        let at_fault = answer.problem(422, "invalid_field");
        assert!(
            at_fault == field || body == json!({}),
            "{field}: {}",
            answer.text()
        );
    }
    assert_eq!(app.json("/jobs/1").await["state"], "passed");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_agent_has_is_no_task_even_for_those_who_guess_its_number() {
    let app = App::start().await;
    app.queue(git_job("Steve")).await;
    let lease = app.leased("agent-1").await;
    let result = json!({"id": lease["attempt"], "isPassed": true, "isError": false, "duration": 1, "testResults": []});
    let answer = app.send(Method::POST, "/api/task/result", &result).await;
    answer.problem(404, "attempt_not_found");
    assert_eq!(app.json("/jobs/1").await["state"], "running");
    assert_eq!(app.json("/results").await, json!([]));
    app.finished(&lease, &passed()).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_jobs_that_the_contract_can_say_are_handed_out_as_tasks() {
    let app = App::start().await;
    let with = |field: &str, value: Value| {
        let mut job = git_job("Steve");
        job[field] = value;
        job
    };
    let commit = json!({"type": "git", "url": "https://example.org/a.git", "commit": "0123456789"});
    for job in [
        with("labels", json!({"os": "linux"})),
        with("args", json!(["-x"])),
        with("env", json!({"A": "b"})),
        with("source", commit),
    ] {
        app.queue(job).await;
    }
    assert_eq!(app.get("/api/task/available").await.status, 404);
    app.queue(git_job("Eve")).await;
    take(&app).await;
    assert_eq!(app.json("/jobs/5").await["state"], "running");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_needs_no_heartbeat_and_two_get_two_tasks() {
    let app = App::start_with(|config| config.lease = Duration::from_secs(1)).await;
    app.queue(git_job("Steve")).await;
    app.queue(git_job("Steve")).await;
    let first = take(&app).await;
    let second = take(&app).await;
    assert_ne!(first["id"], second["id"]);
    assert_eq!(app.get("/api/task/available").await.status, 404);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(4) {
        tokio::time::sleep(Duration::from_millis(250)).await;
        assert_eq!(app.get("/api/task/available").await.status, 404);
    }
    let late = json!({"id": first["id"], "isPassed": true, "isError": false, "duration": 1, "testResults": []});
    report(&app, &late, 200).await;
    assert_eq!(app.json("/jobs/1").await["state"], "passed");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_and_a_runner_share_one_queue() {
    let app = App::start().await;
    app.queue(git_job("Steve")).await;
    app.queue(git_job("Steve")).await;
    let lease = app.leased("agent-1").await;
    let task = take(&app).await;
    assert_ne!(lease["attempt"], task["id"]);
    app.finished(&lease, &passed()).await;
    assert_eq!(app.lease("agent-1").await, Value::Null);
    app.stop().await;
}
