//! `GET /results`.

use serde_json::{Value, json};

use crate::app::App;

async fn with_runs() -> App {
    let app = App::start().await;
    for number in 0..5 {
        app.save(json!({
            "run_id": format!("r{number}"), "worker_id": format!("w{}", number % 2),
            "project": if number < 3 { "p" } else { "q" }, "branch": if number == 0 { "dev" } else { "main" },
            "commit": format!("{number}123456789abcdef"), "timestamp": format!("2026-11-2{number}T12:00:00Z"),
            "passed": 1, "total": 1, "failed": u8::from(number == 4),
        }))
        .await;
    }
    app
}

async fn ids(app: &App, query: &str) -> Vec<String> {
    let runs = app.json(&format!("/results?{query}")).await;
    let id = |run: &Value| run["run_id"].as_str().unwrap().to_owned();
    runs.as_array().unwrap().iter().map(id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_narrow_the_list() {
    let app = with_runs().await;
    for (query, expected) in [
        ("", vec!["r4", "r3", "r2", "r1", "r0"]),
        ("worker_id=w1", vec!["r3", "r1"]),
        ("project=p", vec!["r2", "r1", "r0"]),
        ("project=p&branch=main", vec!["r2", "r1"]),
        ("commit=2123456789abcdef", vec!["r2"]),
        ("commit=2123456", vec!["r2"]),
        ("status=failed", vec!["r4"]),
        ("since=2026-11-23", vec!["r4", "r3"]),
        ("until=2026-11-21T12:00:00Z", vec!["r0"]),
        (
            "since=2026-11-21T14:00:00+02:00&until=2026-11-22T12:00:00Z",
            vec!["r1"],
        ),
        ("limit=2", vec!["r4", "r3"]),
        ("project=unknown", vec![]),
        ("project=&status=", vec!["r4", "r3", "r2", "r1", "r0"]),
        ("unknown=1", vec!["r4", "r3", "r2", "r1", "r0"]),
    ] {
        assert_eq!(ids(&app, query).await, expected, "{query}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_header_leads_through_every_run_once() {
    let app = with_runs().await;
    let mut path = "/results?limit=2&project=".to_owned();
    let mut seen = Vec::new();
    loop {
        let answer = app.get(&path).await;
        let page = answer.json();
        seen.extend(
            page.as_array()
                .unwrap()
                .iter()
                .map(|run| run["run_id"].as_str().unwrap().to_owned()),
        );
        // A run that arrives in between shifts nothing.
        app.save(json!({"run_id": format!("late{}", seen.len()), "worker_id": "w"}))
            .await;
        match answer.next() {
            Some(next) => path = next,
            None => break,
        }
    }
    assert_eq!(seen, ["r4", "r3", "r2", "r1", "r0"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_holds_exactly_all_has_no_next() {
    let app = with_runs().await;
    assert_eq!(app.get("/results?limit=5").await.next(), None);
    assert!(app.get("/results?limit=4").await.next().is_some());
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_parameter_is_a_422_that_names_it() {
    let app = App::start().await;
    for (query, name) in [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("limit=1&limit=2", "limit"),
        ("since=yesterday", "since"),
        ("until=1969-01-01", "until"),
        ("status=green", "status"),
        ("commit=123", "commit"),
        ("cursor=nonsense", "cursor"),
        ("project=%00", "project"),
    ] {
        let answer = app.get(&format!("/results?{query}")).await;
        assert_eq!(answer.problem(422, "invalid_parameter"), name, "{query}");
    }
    app.stop().await;
}
