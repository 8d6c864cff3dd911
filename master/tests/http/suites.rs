//! Suites on demand: the contract, over plain HTTP, with an agent that only says what it would do.

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{App, run_with_cases};
use crate::job_calls::passed;

/// The body of the contract.
const BODY: &str = r#"{"repo_url": "https://example.org/shop.git", "branch": "main", "suite": {"name": "tests/", "params": {"alluredir": "/tmp/allure"}}}"#;

fn body() -> Value {
    serde_json::from_str(BODY).unwrap()
}

async fn status(app: &App, suite: &Value) -> Value {
    let id = suite["id"].as_str().unwrap();
    app.json(&format!("/test_status/{id}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suite_goes_through_its_states() {
    let app = App::start().await;
    assert_eq!(app.json("/current_test").await, Value::Null);
    assert_eq!(app.json("/test_history").await, json!([]));
    let suite = app.posted("/run_suite", &body(), 200).await;
    uuid::Uuid::parse_str(suite["id"].as_str().unwrap()).unwrap();
    assert_eq!(suite["status"], "pending");
    for field in ["started_at", "completed_at", "result", "error"] {
        assert!(suite.as_object().unwrap().contains_key(field));
        assert_eq!(suite[field], Value::Null, "{suite}");
    }
    let lease = app.leased("agent-1").await;
    assert_eq!(
        lease["source"],
        json!({"type": "git", "url": "https://example.org/shop.git", "branch": "main", "submodules": false})
    );
    assert_eq!(lease["tests"], json!(["tests/"]));
    assert_eq!(lease["args"], json!(["--alluredir=/tmp/allure"]));
    let running = status(&app, &suite).await;
    assert_eq!(running["status"], "running");
    assert!(running["started_at"].is_string());
    assert_eq!(app.json("/current_test").await, running);
    let mut run = run_with_cases(
        lease["run_id"].as_str().unwrap(),
        &["passed", "failed", "skipped"],
    );
    run["exit_code"] = 1.into();
    run["finished"] = true.into();
    run["collected"] = 3.into();
    app.save(run).await;
    app.finished(&lease, &json!({"ending": "failed", "exit_code": 1}))
        .await;
    let completed = status(&app, &suite).await;
    assert_eq!(
        completed["status"], "completed",
        "tests that fail complete a suite"
    );
    assert_eq!(completed["error"], Value::Null);
    assert!(completed["completed_at"].is_string());
    let result = &completed["result"];
    for (count, expected) in [
        ("passed", 1),
        ("failed", 1),
        ("skipped", 1),
        ("error", 0),
        ("total", 3),
        ("exit_code", 1),
    ] {
        assert_eq!(result[count], expected, "{count}");
    }
    let run = app.json(result["run_url"].as_str().unwrap()).await;
    assert_eq!(run["run_id"], result["run_id"]);
    assert_eq!(app.json("/current_test").await, Value::Null);
    assert_eq!(app.json("/test_history").await, json!([completed]));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_one_runs_and_the_others_wait_their_turn_in_order() {
    let app = App::start().await;
    let mut suites = Vec::new();
    for _ in 0..4 {
        suites.push(app.posted("/run_suite", &body(), 200).await);
    }
    for suite in &suites {
        let lease = app.leased("agent-1").await;
        assert_eq!(lease["uuid"], suite["id"]);
        assert_eq!(app.lease("agent-2").await, Value::Null);
        assert_eq!(app.json("/current_test").await["id"], suite["id"]);
        app.finished(&lease, &passed()).await;
        assert_eq!(status(&app, suite).await["status"], "completed");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_told_apart() {
    let app = App::start().await;
    for (finish, kind) in [
        (
            json!({"ending": "error", "error_kind": "git", "error": "no such branch"}),
            "git_error",
        ),
        (
            json!({"ending": "error", "error_kind": "install", "error": "uv failed"}),
            "subprocess_error",
        ),
        (
            json!({"ending": "error", "error_kind": "subprocess", "error": "no pytest"}),
            "subprocess_error",
        ),
        (
            json!({"ending": "failed", "exit_code": 4}),
            "subprocess_error",
        ),
        (json!({"ending": "timed_out"}), "timeout"),
        (json!({"ending": "cancelled"}), "cancelled"),
    ] {
        let suite = app.posted("/run_suite", &body(), 200).await;
        let lease = app.leased("agent-1").await;
        app.finished(&lease, &finish).await;
        let failed = status(&app, &suite).await;
        assert_eq!(failed["status"], "failed", "{finish}");
        assert_eq!(failed["error"]["kind"], kind, "{finish}");
        let text = failed["error"]["text"].as_str().unwrap();
        assert!(!text.is_empty());
        if let Some(said) = finish["error"].as_str() {
            assert_eq!(text, said);
        }
        assert!(failed["completed_at"].is_string());
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_forgotten_but_for_what_waits_or_runs() {
    let app = App::start().await;
    for _ in 0..3 {
        app.posted("/run_suite", &body(), 200).await;
    }
    app.queue(crate::job_calls::git_job("Steve")).await;
    let lease = app.leased("agent-1").await;
    app.finished(&lease, &passed()).await;
    app.leased("agent-1").await;
    let answer = app
        .send(Method::DELETE, "/test_history", &Value::Null)
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json(), json!({"deleted": 1}));
    let history = app.json("/test_history").await;
    let states: Vec<&Value> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["status"])
        .collect();
    assert_eq!(states, ["pending", "running"]);
    // Other jobs are not suites, and stay.
    assert_eq!(
        app.json("/jobs?kind=job").await.as_array().unwrap().len(),
        1
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_are_checked_and_fields_are_named_as_they_were_sent() {
    let app = App::start().await;
    let with = |field: &str, value: Value| {
        let mut body = body();
        body[field] = value;
        body
    };
    let params = |params: Value| with("suite", json!({"name": "tests/", "params": params}));
    for (body, field) in [
        (json!({}), "repo_url"),
        (with("repo_url", json!("")), "repo_url"),
        (with("branch", json!("-x")), "branch"),
        (with("timeout_s", json!(0)), "timeout_s"),
        (with("suite", json!({"name": "-x"})), "suite.name"),
        (with("suite", json!({"name": "@file"})), "suite.name"),
        (params(json!({"-p": "x"})), "suite.params.-p"),
        (params(json!({"a b": "x"})), "suite.params.a b"),
        (params(json!({"key": ["x"]})), "suite.params.key"),
        (params(json!({"key": "a\u{0}b"})), "suite.params"),
        (params(json!([1])), "suite.params"),
    ] {
        let answer = app.send(Method::POST, "/run_suite", &body).await;
        assert_eq!(answer.problem(422, "invalid_field"), field, "{body}");
    }
    let flags =
        params(json!({"lf": true, "ff": false, "maxfail": 2, "k": "a and not 'b c'; $(x)"}));
    app.posted("/run_suite", &flags, 200).await;
    let lease = app.leased("agent-1").await;
    assert_eq!(
        lease["args"],
        json!(["--k=a and not 'b c'; $(x)", "--lf", "--maxfail=2"])
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_jobs_are_no_suites() {
    let app = App::start().await;
    let job = app.queue(crate::job_calls::git_job("Steve")).await;
    let path = format!("/test_status/{}", job["uuid"].as_str().unwrap());
    app.get(&path).await.problem(404, "job_not_found");
    app.get("/test_status/none")
        .await
        .problem(404, "job_not_found");
    app.stop().await;
}
