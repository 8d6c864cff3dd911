//! `GET /audit`: who did what.

use std::time::{Duration, Instant};

use master::access::{Granted, accounts};
use reqwest::Method;
use serde_json::{Value, json};
use shared::access::Scope;

use crate::app::{App, run_with_cases};

/// The audit log once it has so many entries.
async fn audit(app: &App, authorization: &str, entries: usize) -> Vec<Value> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let answer = app
            .get_with("/audit", &[("authorization", authorization)])
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let found = answer.json().as_array().unwrap().clone();
        if found.len() >= entries {
            return found;
        }
        assert!(Instant::now() < deadline, "{found:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Two logins, a report, a change that is refused and one that is not.
async fn do_things(app: &App, admin: &str, reader: &str) {
    let json = ("content-type", "application/json");
    let post = async |path, headers: &[(&str, &str)], body: Value| {
        let body = body.to_string().into_bytes();
        app.request(Method::POST, path, headers, body).await.status
    };
    for password in ["a good password", "wrong password"] {
        let body = json!({"username": "dora", "password": password});
        post("/api/v1/login", &[json], body).await;
    }
    let headers = [json, ("authorization", admin)];
    let report = post("/results", &headers, run_with_cases("a", &["passed"])).await;
    assert_eq!(report, 201);
    let delete = async |path, headers: &[(&str, &str)]| {
        let answer = app.request(Method::DELETE, path, headers, Vec::new());
        answer.await.status
    };
    let path = "/environments/7?secret=1";
    assert_eq!(delete(path, &[("authorization", reader)]).await, 403);
    assert_eq!(delete(path, &[("authorization", "Bearer x")]).await, 401);
    let headers = [
        ("authorization", admin),
        ("x-request-id", "my-request"),
        ("x-forwarded-for", "203.0.113.9"),
    ];
    assert_eq!(
        delete("/environments/nothing?secret=1", &headers).await,
        404
    );
}

fn shortly(entry: &Value) -> String {
    let fields = ["who", "action", "target", "status", "address"];
    let texts = fields.map(|field| entry[field].to_string().replace('"', ""));
    texts.join(" ").trim_end().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_something_is_written_down_and_reports_are_not() {
    let app = App::start().await;
    let store = app.store().await;
    let granted = Granted {
        name: "dora".into(),
        scopes: [Scope::Run].into(),
        project: None,
    };
    let made = accounts::create(&store, &granted, "a good password", "local:me").await;
    made.unwrap();
    store.close().await;
    let admin = format!("Bearer {}", app.token("admin", &[Scope::Admin], None).await);
    let reader = format!("Bearer {}", app.token("reader", &[Scope::Read], None).await);
    app.knows().await;
    do_things(&app, &admin, &reader).await;

    let entries = audit(&app, &admin, 7).await;
    let found: Vec<String> = entries.iter().map(shortly).collect();
    assert_eq!(
        found,
        [
            "admin DELETE /environments/{name} /environments/nothing 404 203.0.113.9",
            "reader DELETE /environments/{name} /environments/7 403 127.0.0.1",
            "dora POST /api/v1/login /api/v1/login 401 127.0.0.1",
            "dora POST /api/v1/login /api/v1/login 200 127.0.0.1",
            "local:test token create reader 0",
            "local:test token create admin 0",
            "local:me account create dora 0",
        ]
    );
    assert_eq!(entries[0]["request_id"], "my-request");
    let all = serde_json::to_string(&entries).unwrap();
    for secret in ["password", "secret", "ptp_", "pta_"] {
        assert!(!all.contains(secret), "{all}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_is_for_admins_pages_and_filters() {
    let app = App::start().await;
    for number in 0..25 {
        let name = format!("/environments/made-{number}");
        let json = [("content-type", "application/json")];
        let made = app.request(Method::PUT, &name, &json, b"{}".to_vec()).await;
        assert_eq!(made.status, 201, "{}", made.text());
    }
    audit(&app, "", 25).await;
    let mut targets = Vec::new();
    let mut path = Some("/audit?limit=10".to_owned());
    while let Some(next) = path {
        let answer = app.get(&next).await;
        let page = answer.json();
        targets.extend(
            page.as_array()
                .unwrap()
                .iter()
                .map(|entry| entry["target"].as_str().unwrap().to_owned()),
        );
        path = answer.next();
    }
    let expected: Vec<String> = (0..25)
        .rev()
        .map(|number| format!("/environments/made-{number}"))
        .collect();
    assert_eq!(targets, expected);
    assert_eq!(app.json("/audit?who=somebody").await, json!([]));
    assert_eq!(app.json("/audit?since=2999-01-01").await, json!([]));
    assert_eq!(
        app.json("/audit?since=2020-01-01&who=")
            .await
            .as_array()
            .unwrap()
            .len(),
        25
    );
    assert_eq!(
        app.get("/audit?limit=0")
            .await
            .problem(422, "invalid_parameter"),
        "limit"
    );
    let reader = app
        .token("reader", &[Scope::Read, Scope::Run, Scope::Report], None)
        .await;
    app.knows().await;
    let refused = app
        .get_with("/audit", &[("authorization", &format!("Bearer {reader}"))])
        .await;
    refused.problem(403, "scope_missing");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_before_the_master_stopped_is_there_when_it_starts_again() {
    let app = App::start().await;
    let json = [("content-type", "application/json")];
    let made = (0..20).map(|number| {
        let path = format!("/environments/made-{number}");
        let app = &app;
        async move {
            app.request(Method::PUT, &path, &json, b"{}".to_vec())
                .await
                .status
                .as_u16()
        }
    });
    let statuses = futures_util::future::join_all(made).await;
    assert_eq!(statuses, [201; 20]);
    let mut app = app;
    app.begin_to_stop();
    let folder = app.stop_begun().await;
    let url = crate::app::sqlite_url(folder.path());
    let app = App::start_with(|config| config.database_url = url).await;
    assert_eq!(app.json("/audit").await.as_array().unwrap().len(), 20);
    app.stop().await;
}
