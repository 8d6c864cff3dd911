//! A run that goes on, as it is answered while it does.

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{App, run_with_cases};

async fn send(app: &App, method: Method, path: &str, body: &Value) {
    let json = [("content-type", "application/json")];
    let body = body.to_string().into_bytes();
    let answer = app.request(method, path, &json, body).await;
    assert!(answer.status.is_success(), "{path}: {}", answer.text());
}

fn opening(run_id: &str) -> Value {
    json!({"run_id": run_id, "worker_id": "w", "project": "p", "branch": "main", "python": "3.12.1"})
}

pub(crate) async fn open(app: &App, run_id: &str) {
    send(
        app,
        Method::PUT,
        &format!("/results/{run_id}"),
        &opening(run_id),
    )
    .await;
}

/// A batch of cases; without any, a sign of life.
pub(crate) async fn append(app: &App, run_id: &str, number: u64, cases: Value) {
    let progress =
        json!({"collected": 300, "deselected": 2, "running": ["t.py::now"], "running_count": 1});
    let body = json!({"number": number, "batch_id": format!("b{number}"), "cases": cases, "progress": progress});
    send(
        app,
        Method::POST,
        &format!("/results/{run_id}/cases"),
        &body,
    )
    .await;
}

pub(crate) async fn finish(app: &App, run_id: &str, batches: u64) {
    let body = json!({"batches": batches, "run": opening(run_id)});
    send(
        app,
        Method::POST,
        &format!("/results/{run_id}/finish"),
        &body,
    )
    .await;
}

fn nodeids(cases: &Value) -> Vec<&str> {
    let cases = cases.as_array().unwrap().iter();
    cases.map(|case| case["nodeid"].as_str().unwrap()).collect()
}

/// A run with six tests in three batches, one of them reported twice.
async fn with_live_run() -> App {
    let app = App::start().await;
    open(&app, "r").await;
    let failed = |nodeid: &str, text: &str| {
        json!({"nodeid": nodeid, "outcome": "failed", "call": 0.25, "message": text,
        "failures": [{"phase": "call", "message": text, "traceback": format!("E  {text}")}]})
    };
    let batches = [
        json!([{"nodeid": "t.py::a", "outcome": "passed", "duration": 0.5}, failed("t.py::b", "first"), {"nodeid": "t.py::c", "outcome": "passed", "duration": 3.0}]),
        json!([{"nodeid": "u.py::d", "outcome": "skipped"}, {"nodeid": "u.py::e", "outcome": "xfailed", "duration": 1.0}]),
        json!([failed("t.py::c", "late"), {"nodeid": "u.py::f", "outcome": "passed", "outcomes": ["rerun", "passed"], "attempts": 2, "duration": 2.0}]),
    ];
    for (number, batch) in (1..).zip(batches) {
        append(&app, "r", number, batch).await;
    }
    app
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_how_far_it_is_what_runs_and_what_failed() {
    let app = with_live_run().await;
    let run = app.json("/results/r").await;
    for (field, expected) in [
        ("status", json!("running")),
        ("complete", json!(false)),
        ("finished", json!(false)),
        ("exit_code", Value::Null),
        ("collected", json!(300)),
        ("deselected", json!(2)),
        ("reported", json!(6)),
        ("total", json!(6)),
        ("passed", json!(2)),
        ("failed", json!(2)),
        ("skipped", json!(1)),
        ("running", json!(["t.py::now"])),
        ("running_count", json!(1)),
        ("python", json!("3.12.1")),
    ] {
        assert_eq!(run[field], expected, "{field}");
    }
    let failures = json!([
        {"nodeid": "t.py::b", "duration": 0.25, "message": "first"},
        {"nodeid": "t.py::c", "duration": 0.25, "message": "late"},
    ]);
    assert_eq!(run["failures"], failures);
    let heard_at = run["live"]["heard_at"].as_str().unwrap();
    assert!(heard_at >= run["received_at"].as_str().unwrap());
    assert_eq!(run["live"]["expected_finish_at"], Value::Null);
    assert_eq!(app.json("/results").await[0]["live"], run["live"]);
    assert_eq!(app.json("/trend").await, json!([]));

    finish(&app, "r", 3).await;
    let run = app.json("/results/r").await;
    assert_eq!(
        (&run["status"], &run["live"]),
        (&json!("failed"), &Value::Null)
    );
    assert_eq!(run["failures"], failures);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn its_cases_can_be_listed_filtered_sorted_and_paged() {
    let app = with_live_run().await;
    for (query, expected) in [
        (
            "",
            vec![
                "t.py::a", "t.py::b", "t.py::c", "u.py::d", "u.py::e", "u.py::f",
            ],
        ),
        ("?outcome=failed", vec!["t.py::b", "t.py::c"]),
        ("?outcome=xfailed", vec!["u.py::e"]),
        ("?outcome=rerun", vec!["u.py::f"]),
        ("?q=U.PY", vec!["u.py::d", "u.py::e", "u.py::f"]),
        ("?q=U.PY&outcome=passed", vec!["u.py::f"]),
        (
            "?sort=slowest",
            vec![
                "u.py::f", "u.py::e", "t.py::a", "t.py::b", "t.py::c", "u.py::d",
            ],
        ),
        ("?q=nothing", vec![]),
    ] {
        let whole = app.json(&format!("/results/r/cases{query}")).await;
        assert_eq!(nodeids(&whole), expected, "{query}");
        for limit in [1, 2] {
            let separator = if query.is_empty() { '?' } else { '&' };
            let mut next = Some(format!("/results/r/cases{query}{separator}limit={limit}"));
            let mut paged = Vec::new();
            while let Some(path) = next {
                let page = app.get(&path).await;
                paged.extend(page.json().as_array().unwrap().clone());
                next = page.next();
            }
            assert_eq!(Value::Array(paged), whole, "{query} by {limit}");
        }
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_is_the_same_before_and_after_the_end() {
    let app = with_live_run().await;
    let paths = ["a", "b", "c", "f"].map(|name| {
        let file = if name == "f" { 'u' } else { 't' };
        format!("/results/r/case?nodeid={file}.py::{name}")
    });
    let mut before = Vec::new();
    for path in &paths {
        before.push(app.json(path).await);
    }
    assert_eq!(before[2]["failures"][0]["traceback"], "E  late");
    app.get("/results/r/case?nodeid=t.py::none")
        .await
        .problem(404, "case_not_found");
    let listed = app.json("/results/r/cases").await;
    finish(&app, "r", 3).await;
    for (path, before) in paths.iter().zip(before) {
        assert_eq!(app.json(path).await, before, "{path}");
    }
    assert_eq!(app.json("/results/r/cases").await, listed);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_a_run_that_ended_meanwhile_is_refused_and_not_mixed_up() {
    let app = with_live_run().await;
    let next = app.get("/results/r/cases?limit=2").await.next().unwrap();
    assert_eq!(app.get(&next).await.status, 200);
    finish(&app, "r", 3).await;
    let refused = app.get(&next).await;
    assert_eq!(refused.problem(422, "invalid_parameter"), "cursor");
    assert!(
        refused.text().contains("ended meanwhile"),
        "{}",
        refused.text()
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn its_end_is_expected_from_what_whole_runs_of_its_branch_took() {
    let app = App::start().await;
    let mut number = 0;
    for (branch, duration, complete) in [
        ("other", 50.0, true),
        ("other", 50.0, true),
        ("main", 10.0, true),
        ("main", 12.0, true),
        ("main", 7_200.0, true),
        ("main", 1.0, false),
        ("main", 1.0, false),
    ] {
        number += 1;
        let mut run = run_with_cases(&format!("before{number}"), &["passed"]);
        run["branch"] = json!(branch);
        run["duration"] = json!(duration);
        run["finished"] = json!(complete);
        app.save(run).await;
    }
    let expected = |run: &Value| {
        let moment = |value: &Value| shared::time::parse(value.as_str().unwrap()).unwrap();
        let end = moment(&run["live"]["expected_finish_at"]);
        (end - moment(&run["received_at"])).num_milliseconds()
    };
    open(&app, "r").await;
    assert_eq!(expected(&app.json("/results/r").await), 12_000);
    assert_eq!(
        expected(&app.json("/results?status=running").await[0]),
        12_000
    );
    // A branch without runs takes as long as others of its project.
    let of_new_branch = json!({"run_id": "s", "worker_id": "w", "project": "p", "branch": "new"});
    send(&app, Method::PUT, "/results/s", &of_new_branch).await;
    assert_eq!(expected(&app.json("/results/s").await), 50_000);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_about_it_is_kept_until_its_worker_is_heard_again() {
    let app = with_live_run().await;
    for path in ["/results", "/results/r", "/results/r/cases"] {
        let tag = app.get(path).await.header("etag").to_owned();
        let again = app.get_with(path, &[("if-none-match", &tag)]).await;
        assert_eq!(again.status, 304, "{path}");
    }
    let tag = app.get("/results/r").await.header("etag").to_owned();
    append(&app, "r", 3, json!([])).await;
    let again = app.get_with("/results/r", &[("if-none-match", &tag)]).await;
    assert_eq!(again.status, 200);
    app.stop().await;
}
