//! `/environments`: what only so many jobs may use at a time.

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::App;
use crate::job_calls::{job_in, passed};

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_are_there_from_the_start_in_the_order_that_people_expect() {
    let app = App::start().await;
    let environments = app.json("/environments").await;
    let names: Vec<&str> = environments
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    let expected: Vec<String> = (1..=100).map(|number| number.to_string()).collect();
    assert_eq!(names[..100], expected);
    assert!(names[100..].contains(&"run_suite"), "{names:?}");
    assert_eq!(app.json("/environments/7").await["capacity"], 1);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_made_changed_and_deleted() {
    let app = App::start().await;
    let path = "/environments/lab%20%C3%A9";
    let made = app
        .send(
            Method::PUT,
            path,
            &json!({"description": "two boards", "capacity": 2}),
        )
        .await;
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(
        made.json(),
        json!({"name": "lab é", "description": "two boards", "capacity": 2, "holders": [], "queued": 0})
    );
    let changed = app.send(Method::PUT, path, &json!({})).await;
    assert_eq!(changed.status, 200);
    assert_eq!(changed.json()["capacity"], 1);
    assert_eq!(
        app.send(Method::DELETE, path, &Value::Null).await.status,
        204
    );
    app.get(path).await.problem(404, "environment_not_found");
    let answer = app.send(Method::DELETE, path, &Value::Null).await;
    answer.problem(404, "environment_not_found");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_ones_are_refused_with_the_field() {
    let app = App::start().await;
    for (path, body, field) in [
        ("/environments/x", json!({"capacity": 0}), "capacity"),
        ("/environments/x", json!({"capacity": 1_001}), "capacity"),
        ("/environments/x", json!({"capacity": "two"}), "capacity"),
        ("/environments/x", json!({"description": 7}), "description"),
        (
            "/environments/x",
            json!({"description": "x".repeat(5_000)}),
            "description",
        ),
        ("/environments/%20x", json!({}), "name"),
    ] {
        let answer = app.send(Method::PUT, path, &body).await;
        assert_eq!(answer.problem(422, "invalid_field"), field, "{path} {body}");
    }
    for name in ["%00", "a%0ab", "%ff", &"x".repeat(101)] {
        let answer = app.get(&format!("/environments/{name}")).await;
        answer.problem(404, "environment_not_found");
    }
    app.get("/environments/x")
        .await
        .problem(404, "environment_not_found");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_shows_who_holds_it_and_who_waits_and_is_not_deleted_under_them() {
    let app = App::start().await;
    app.queue(job_in("Steve", "7")).await;
    let mut by_number = job_in("Eve", "");
    by_number["environment"] = 7.into();
    assert_eq!(app.queue(by_number).await["environment"], "7");
    let lease = app.leased("agent-1").await;
    assert_eq!(app.lease("agent-2").await, Value::Null);
    let environment = app.json("/environments/7").await;
    assert_eq!(environment["holders"][0]["job"], 1);
    assert_eq!(environment["holders"][0]["username"], "Steve");
    assert_eq!(environment["queued"], 1);
    let waits_for = app.json("/jobs/2").await["waits_for"].clone();
    let waits_for = waits_for.as_str().unwrap();
    assert!(
        waits_for.contains("environment 7 held by job 1 of Steve"),
        "{waits_for}"
    );
    let answer = app
        .send(Method::DELETE, "/environments/7", &Value::Null)
        .await;
    answer.problem(409, "environment_in_use");
    app.finished(&lease, &passed()).await;
    assert_eq!(app.leased("agent-2").await["job"], 2);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_one_in_which_suites_take_turns_stays_and_has_one_place() {
    let app = App::start().await;
    let path = "/environments/run_suite";
    let answer = app.send(Method::PUT, path, &json!({"capacity": 2})).await;
    assert_eq!(answer.problem(422, "invalid_field"), "capacity");
    let described = app
        .send(Method::PUT, path, &json!({"description": "suites"}))
        .await;
    assert_eq!(described.status, 200, "{}", described.text());
    let answer = app.send(Method::DELETE, path, &Value::Null).await;
    answer.problem(409, "environment_in_use");
    let suite = json!({"repo_url": "https://example.org/shop.git"});
    assert!(
        app.send(Method::POST, "/run_suite", &suite)
            .await
            .status
            .is_success()
    );
    app.stop().await;
}
