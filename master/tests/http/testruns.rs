//! Testruns: the contract, over plain HTTP, with an agent that only says what it would do.

use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::app::App;
use crate::job_calls::{git_job, passed};

/// A master with a library of two files.
async fn start() -> (App, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "test_a.py");
    write(folder.path(), "shop/test_b.py");
    let tests_dir = folder.path().to_owned();
    let app = App::start_with(|config| config.tests_dir = Some(tests_dir)).await;
    (app, folder)
}

fn write(folder: &Path, name: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, "def test_it():\n    pass\n").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_enough_with_and_without_a_library() {
    let (with, _folder) = start().await;
    for app in [with, App::start().await] {
        let answer = app
            .send(Method::POST, "/api/testrun", &json!({"username": "Steve"}))
            .await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        assert_eq!(answer.header("location"), "/api/testrun/1");
        let start = r#"{"id":1,"status":"CREATED","username":"Steve","#;
        assert!(answer.text().starts_with(start), "{}", answer.text());
        let again = app.get("/api/testrun/1").await;
        assert_eq!(again.text(), answer.text());
        let list = app.get("/api/testrun").await.text();
        let expected = format!(
            r#"{{"num_results":1,"objects":[{}],"page":1,"total_pages":1}}"#,
            answer.text()
        );
        assert_eq!(list, expected);
        app.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_testrun_goes_through_its_states_with_its_logs() {
    let (app, _folder) = start().await;
    let new = json!({"username": "Steve", "test_files": ["shop/test_b.py"], "environment": 7});
    let testrun = app.posted("/api/testrun", &new, 201).await;
    assert_eq!(testrun["test_files"], json!(["shop/test_b.py"]));
    assert_eq!(testrun["environment"], "7");
    assert_eq!(testrun["logs"], "");
    let lease = app.leased("agent-1").await;
    assert_eq!(lease["source"]["files"], json!(["shop/test_b.py"]));
    assert!(lease["source"]["snapshot"].is_string());
    assert_eq!(lease["environment"], "7");
    assert_eq!(app.json("/api/testrun/1").await["status"], "RUNNING");
    app.logged(&lease, 0, b"1 passed\n").await;
    assert_eq!(app.json("/api/testrun/1").await["logs"], "1 passed\n");
    app.finished(&lease, &passed()).await;
    let testrun = app.json("/api/testrun/1").await;
    assert_eq!(testrun["status"], "SUCCESS");
    assert_eq!(testrun["run_id"], lease["run_id"]);
    assert!(testrun["finished_at"].is_string());
    for finish in [
        json!({"ending": "failed", "exit_code": 1}),
        json!({"ending": "error", "error_kind": "install", "error": "no uv"}),
        json!({"ending": "timed_out"}),
    ] {
        let testrun = app.posted("/api/testrun", &new, 201).await;
        let lease = app.leased("agent-1").await;
        app.finished(&lease, &finish).await;
        let path = format!("/api/testrun/{}", testrun["id"]);
        let failed = app.json(&path).await;
        assert_eq!(failed["status"], "FAILED", "{finish}");
        assert_eq!(failed["error"], finish["error"], "{finish}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_logs_are_cut_at_their_beginning() {
    let (app, _folder) = start().await;
    app.posted("/api/testrun", &json!({"username": "Steve"}), 201)
        .await;
    let lease = app.leased("agent-1").await;
    let piece = "\u{20ac}".repeat(300_000);
    app.logged(&lease, 0, piece.as_bytes()).await;
    app.logged(&lease, piece.len(), format!("{piece}end").as_bytes())
        .await;
    let logs = app.json("/api/testrun/1").await["logs"].clone();
    let logs = logs.as_str().unwrap();
    assert!(logs.ends_with("\u{20ac}end"));
    assert!(!logs.contains('\u{fffd}'));
    assert!(
        (1_048_570..=1_048_576).contains(&logs.len()),
        "{}",
        logs.len()
    );
    let listed = app.json("/api/testrun").await["objects"][0]["logs"].clone();
    let listed = listed.as_str().unwrap();
    assert_eq!(listed.chars().count(), 2_000);
    assert!(logs.ends_with(listed));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_have_pages() {
    let (app, _folder) = start().await;
    let empty = app.json("/api/testrun").await;
    assert_eq!(
        empty,
        json!({"num_results": 0, "objects": [], "page": 1, "total_pages": 0})
    );
    for number in 0..12 {
        app.posted(
            "/api/testrun",
            &json!({"username": format!("user {number}")}),
            201,
        )
        .await;
    }
    app.queue(git_job("Steve")).await;
    let ids = |page: &Value| -> Vec<i64> {
        let objects = page["objects"].as_array().unwrap();
        objects
            .iter()
            .map(|one| one["id"].as_i64().unwrap())
            .collect()
    };
    let first = app.json("/api/testrun").await;
    assert_eq!(first["num_results"], 12);
    assert_eq!(first["total_pages"], 2);
    assert_eq!(ids(&first), [12, 11, 10, 9, 8, 7, 6, 5, 4, 3]);
    let second = app.json("/api/testrun?page=2").await;
    assert_eq!(
        (second["page"].as_u64(), ids(&second)),
        (Some(2), vec![2, 1])
    );
    let small = app.json("/api/testrun?page=3&results_per_page=5").await;
    assert_eq!(
        (small["total_pages"].as_u64(), ids(&small)),
        (Some(3), vec![2, 1])
    );
    assert_eq!(
        ids(&app.json("/api/testrun?page=99").await),
        Vec::<i64>::new()
    );
    for (query, field) in [
        ("page=0", "page"),
        ("page=x", "page"),
        ("page=99999999999999999999", "page"),
        ("results_per_page=0", "results_per_page"),
        ("results_per_page=101", "results_per_page"),
    ] {
        let answer = app.get(&format!("/api/testrun?{query}")).await;
        assert_eq!(answer.problem(422, "invalid_parameter"), field);
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_testrun_is_deleted_whatever_its_state() {
    let (app, _folder) = start().await;
    for _ in 0..3 {
        app.posted("/api/testrun", &json!({"username": "Steve"}), 201)
            .await;
    }
    let over = app.leased("agent-1").await;
    app.finished(&over, &passed()).await;
    let running = app.leased("agent-1").await;
    for id in 1..=3 {
        let path = format!("/api/testrun/{id}");
        let answer = app.send(Method::DELETE, &path, &Value::Null).await;
        assert_eq!(answer.status, 204, "{}", answer.text());
        assert!(answer.bytes.is_empty());
        app.get(&path).await.problem(404, "job_not_found");
        let again = app.send(Method::DELETE, &path, &Value::Null).await;
        again.problem(404, "job_not_found");
    }
    assert_eq!(app.json("/api/testrun").await["num_results"], 0);
    let beat = crate::job_calls::of(&running, "heartbeat");
    assert_eq!(app.posted(&beat, &Value::Null, 200).await["cancel"], true);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_ones_are_refused_with_the_field() {
    let (app, _folder) = start().await;
    for (body, field) in [
        (json!({}), "username"),
        (json!({"username": ""}), "username"),
        (json!({"username": 7}), "username"),
        (
            json!({"username": "Steve", "environment": "101"}),
            "environment",
        ),
        (
            json!({"username": "Steve", "test_files": "a"}),
            "test_files",
        ),
        (
            json!({"username": "Steve", "test_files": ["../a"]}),
            "test_files[0]",
        ),
        (
            json!({"username": "Steve", "test_files": ["none.py"]}),
            "test_files[0]",
        ),
    ] {
        let answer = app.send(Method::POST, "/api/testrun", &body).await;
        assert_eq!(answer.problem(422, "invalid_field"), field, "{body}");
    }
    app.queue(git_job("Steve")).await;
    app.get("/api/testrun/1")
        .await
        .problem(404, "job_not_found");
    app.get("/api/testrun/x")
        .await
        .problem(404, "job_not_found");
    app.stop().await;
}
