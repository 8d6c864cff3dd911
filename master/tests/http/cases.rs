//! `GET /results/{run_id}/cases`.

use serde_json::{Value, json};

use crate::app::{App, run_with_cases};

#[tokio::test(flavor = "multi_thread")]
async fn cases_are_filtered_by_outcome_and_text() {
    let app = App::start().await;
    app.save(run_with_cases(
        "r",
        &["passed", "failed", "skipped", "passed"],
    ))
    .await;
    for (query, count) in [
        ("", 4),
        ("outcome=passed", 2),
        ("q=TEST_1", 1),
        ("outcome=error", 0),
        ("outcome=passed&q=_3", 1),
    ] {
        let cases = app.json(&format!("/results/r/cases?{query}")).await;
        assert_eq!(cases.as_array().unwrap().len(), count, "{query}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_header_leads_through_every_case_once() {
    let app = App::start().await;
    app.save(run_with_cases("r", &["passed"; 25])).await;
    let mut path = "/results/r/cases?limit=10".to_owned();
    let mut seen = Vec::new();
    loop {
        let answer = app.get(&path).await;
        seen.extend(
            answer
                .json()
                .as_array()
                .unwrap()
                .iter()
                .map(|case| case["nodeid"].to_string()),
        );
        match answer.next() {
            Some(next) => path = next,
            None => break,
        }
    }
    assert_eq!(seen.len(), 25);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 25);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_name_the_parameter_or_the_run() {
    let app = App::start().await;
    app.save(run_with_cases("r", &["passed"])).await;
    let runs_cursor = "MXI3";
    for (query, name) in [
        ("limit=1001", "limit"),
        ("outcome=green", "outcome"),
        (&*format!("cursor={runs_cursor}"), "cursor"),
        ("sort=fastest", "sort"),
        // A cursor of the stored order, then one of the other.
        ("sort=slowest&cursor=MWMw", "cursor"),
        ("cursor=MXMw", "cursor"),
    ] {
        let answer = app.get(&format!("/results/r/cases?{query}")).await;
        assert_eq!(answer.problem(422, "invalid_parameter"), name);
    }
    app.get("/results/none/cases")
        .await
        .problem(404, "run_not_found");
    app.stop().await;
}

/// Nodeids of every page, in order.
async fn every_page(app: &App, first: &str) -> Vec<String> {
    let mut next = Some(first.to_owned());
    let mut seen = Vec::new();
    while let Some(path) = next {
        let answer = app.get(&path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let page = answer.json();
        let nodeids = page.as_array().unwrap().iter();
        seen.extend(nodeids.map(|case| case["nodeid"].as_str().unwrap().to_owned()));
        next = answer.next();
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn the_slowest_come_first_on_every_page() {
    let app = App::start().await;
    // Durations in another order than the ids, equal ones, phases instead of a sum, and none.
    let case = |number: u64| {
        let mut case = json!({"nodeid": format!("t.py::{number:03}"), "outcome": "passed"});
        match number % 10 {
            0 => {}
            1 => case["call"] = json!(7.5),
            other => case["duration"] = json!((other * 37 % 11) as f64 / 4.0),
        }
        case
    };
    let cases: Vec<Value> = (0..50).map(case).collect();
    app.save(json!({"run_id": "r", "worker_id": "w", "cases": cases}))
        .await;
    let all = app.json("/results/r/cases?sort=slowest&limit=1000").await;
    let all = all.as_array().unwrap();
    assert_eq!(all.len(), 50);
    let durations: Vec<f64> = all
        .iter()
        .map(|case| case["duration"].as_f64().unwrap_or(-1.0))
        .collect();
    assert!(durations.is_sorted_by(|a, b| a >= b), "{durations:?}");
    assert!((durations[0] - 7.5).abs() < 1e-9);
    assert!(all[45..].iter().all(|case| case["duration"].is_null()));
    let whole: Vec<&str> = all
        .iter()
        .map(|case| case["nodeid"].as_str().unwrap())
        .collect();
    assert_eq!(
        every_page(&app, "/results/r/cases?sort=slowest&limit=7").await,
        whole
    );
    let some: Vec<&str> = whole
        .iter()
        .copied()
        .filter(|id| id.contains('3'))
        .collect();
    assert_eq!(
        every_page(&app, "/results/r/cases?sort=slowest&limit=2&q=3").await,
        some
    );
    let stored = every_page(&app, "/results/r/cases?limit=9").await;
    assert_eq!(
        every_page(&app, "/results/r/cases?sort=stored&limit=9").await,
        stored
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_that_were_tried_again_are_found() {
    let app = App::start().await;
    let cases = json!([
        {"nodeid": "t.py::flaky", "outcome": "passed", "outcomes": ["rerun", "passed"], "attempts": 2},
        {"nodeid": "t.py::bad", "outcome": "failed", "outcomes": ["rerun", "failed"], "attempts": 2},
        {"nodeid": "t.py::good", "outcome": "passed"},
        {"nodeid": "t.py::odd", "outcome": "error", "outcomes": ["passed", "error"]},
    ]);
    app.save(json!({"run_id": "r", "worker_id": "w", "cases": cases}))
        .await;
    let mut again = every_page(&app, "/results/r/cases?outcome=rerun").await;
    again.sort();
    assert_eq!(again, ["t.py::bad", "t.py::flaky"]);
    app.stop().await;
}
