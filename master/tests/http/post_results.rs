//! `POST /results`.

use serde_json::json;

use crate::app::{App, run_with_cases};

#[tokio::test(flavor = "multi_thread")]
async fn the_same_content_again_is_harmless_and_other_content_is_a_conflict() {
    let app = App::start().await;
    let body = run_with_cases("r", &["passed", "failed"]);
    assert_eq!(app.post(&body).await.status, 201);
    let before = app.json("/results/r").await;
    let again = app.post(&body).await;
    assert_eq!(again.status, 200);
    assert_eq!(again.json(), json!({"run_id": "r", "status": "saved"}));
    let other = app.post(&run_with_cases("r", &["passed", "passed"])).await;
    assert_eq!(other.problem(409, "run_conflict"), "run_id");
    assert_eq!(app.json("/results/r").await, before);
    assert_eq!(app.json("/results").await.as_array().unwrap().len(), 1);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_follow_from_the_cases() {
    let app = App::start().await;
    app.save(run_with_cases(
        "r",
        &["passed", "passed", "failed", "skipped", "error", "xfailed"],
    ))
    .await;
    let run = app.json("/results/r").await;
    for (field, count) in [
        ("passed", 2),
        ("failed", 1),
        ("skipped", 1),
        ("error", 1),
        ("xfailed", 1),
    ] {
        assert_eq!(run[field], count, "{field}: {run}");
    }
    assert_eq!(run["status"], "failed");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_fields_are_ignored_and_the_answer_says_where_the_run_is() {
    let app = App::start().await;
    let answer = app
        .post(&json!({"run_id": "a/b c?ü", "worker_id": "w", "colour": ["red"]}))
        .await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let location = answer.header("location").to_owned();
    assert_eq!(location, "/results/a%2Fb%20c%3F%C3%BC");
    assert_eq!(app.json(&location).await["run_id"], "a/b c?ü");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lone_surrogate_of_python_does_not_lose_the_run() {
    let app = App::start().await;
    let body = br#"{"run_id": "r", "worker_id": "w", "cases":
        [{"nodeid": "t.py::test[\udcff]", "outcome": "failed", "message": "\ud83d\ude00 \ud800"}]}"#;
    let answer = app.post_bytes(body.to_vec(), &[]).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let cases = app.json("/results/r/cases").await;
    assert_eq!(cases[0]["nodeid"], r"t.py::test[\udcff]");
    assert_eq!(cases[0]["message"], "😀 \\ud800");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_run_arrives_whole() {
    let app = App::start().await;
    let outcomes = vec!["passed"; 20_000];
    app.save(run_with_cases("large", &outcomes)).await;
    assert_eq!(app.json("/results/large").await["passed"], 20_000);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_clients_at_once_lose_nothing() {
    let app = std::sync::Arc::new(App::start().await);
    let clients: Vec<_> = (0..8)
        .map(|client| {
            let app = std::sync::Arc::clone(&app);
            tokio::spawn(async move {
                for number in 0..10 {
                    app.save(run_with_cases(
                        &format!("{client}-{number}"),
                        &["passed", "failed"],
                    ))
                    .await;
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(
        app.json("/results?limit=500")
            .await
            .as_array()
            .unwrap()
            .len(),
        80
    );
    let stats = app.json("/failures/stats").await;
    assert_eq!(stats[0]["fail_count"], 80);
}
