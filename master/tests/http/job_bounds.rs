//! Jobs and callers who are bound to a project: they see and change their own, and nothing else is there.

use reqwest::Method;
use serde_json::{Value, json};
use shared::access::Scope;

use crate::app::{Answer, App};
use crate::job_calls::{git_job, job_in, of, passed};

/// Somebody with a token.
struct Caller<'a> {
    app: &'a App,
    authorization: String,
}

impl Caller<'_> {
    async fn call(&self, method: Method, path: &str, body: &Value) -> Answer {
        let headers = [
            ("authorization", self.authorization.as_str()),
            ("content-type", "application/json"),
        ];
        let body = if body.is_null() {
            Vec::new()
        } else {
            body.to_string().into_bytes()
        };
        self.app.request(method, path, &headers, body).await
    }

    async fn json(&self, path: &str) -> Value {
        let answer = self.call(Method::GET, path, &Value::Null).await;
        assert_eq!(answer.status, 200, "GET {path}: {}", answer.text());
        answer.json()
    }

    async fn posted(&self, path: &str, body: &Value) -> Value {
        let answer = self.call(Method::POST, path, body).await;
        assert!(answer.status.is_success(), "POST {path}: {}", answer.text());
        answer.json()
    }
}

async fn caller<'a>(app: &'a App, name: &str, project: Option<&str>) -> Caller<'a> {
    let scopes: &[Scope] = match project {
        Some(_) => &[Scope::Report, Scope::Read, Scope::Run],
        None => &[Scope::Admin],
    };
    let token = app.token(name, scopes, project).await;
    app.knows().await;
    Caller {
        app,
        authorization: format!("Bearer {token}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_other_projects_are_not_there() {
    let app = App::start().await;
    let all = caller(&app, "all", None).await;
    let bound = caller(&app, "bound", Some("shop")).await;
    let mut other = job_in("Eve", "7");
    other["project"] = "other".into();
    all.posted("/jobs", &other).await;
    let mut own = git_job("Steve");
    own.as_object_mut().unwrap().remove("project");
    assert_eq!(bound.posted("/jobs", &own).await["project"], "shop");
    let answer = bound.call(Method::POST, "/jobs", &other).await;
    assert_eq!(answer.problem(403, "project_forbidden"), "project");

    let foreign = all.posted("/agents/lease", &json!({"agent": "a"})).await;
    assert_eq!(foreign["job"], 1);
    for (method, path) in [
        (Method::GET, "/jobs/1".to_owned()),
        (Method::GET, "/jobs/1/log".into()),
        (Method::GET, "/jobs/1/log?live=true".into()),
        (Method::POST, "/jobs/1/cancel".into()),
        (Method::POST, "/jobs/1/rerun".into()),
        (Method::DELETE, "/jobs/1".into()),
        (Method::POST, of(&foreign, "heartbeat")),
        (Method::POST, format!("{}?offset=0", of(&foreign, "log"))),
    ] {
        let answer = bound.call(method, &path, &Value::Null).await;
        answer.problem(404, "job_not_found");
    }
    let answer = bound
        .call(Method::POST, &of(&foreign, "finish"), &passed())
        .await;
    answer.problem(404, "job_not_found");
    let step = json!({"name": "run", "started_at": "2026-11-21T10:00:00Z"});
    let answer = bound
        .call(Method::POST, &of(&foreign, "steps"), &step)
        .await;
    answer.problem(404, "job_not_found");
    let ids = |jobs: Value| -> Vec<i64> {
        let jobs = jobs.as_array().unwrap().iter();
        jobs.map(|job| job["id"].as_i64().unwrap()).collect()
    };
    assert_eq!(ids(bound.json("/jobs").await), [2]);
    assert_eq!(ids(all.json("/jobs").await), [2, 1]);
    let answer = bound
        .call(Method::GET, "/jobs?project=other", &Value::Null)
        .await;
    assert_eq!(answer.problem(403, "project_forbidden"), "project");
    assert_eq!(all.json("/jobs/1").await["state"], "running");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_holds_what_is_not_told_to_others() {
    let app = App::start().await;
    let all = caller(&app, "all", None).await;
    let bound = caller(&app, "bound", Some("shop")).await;
    let mut other = job_in("Eve", "7");
    other["project"] = "other".into();
    all.posted("/jobs", &other).await;
    let own = bound.posted("/jobs", &job_in("Steve", "7")).await;
    all.posted("/agents/lease", &json!({"agent": "a"})).await;
    for path in ["/environments/7", "/environments", "/jobs/2", "/agents"] {
        let told = bound.json(path).await.to_string();
        assert!(!told.contains("Eve"), "{path}: {told}");
    }
    assert_eq!(bound.json("/agents").await[0]["jobs"], json!([]));
    assert_eq!(all.json("/agents").await[0]["jobs"], json!([1]));
    let waits_for = bound.json(&format!("/jobs/{}", own["id"])).await["waits_for"].clone();
    assert!(
        waits_for.as_str().unwrap().contains("of another project"),
        "{waits_for}"
    );
    for method in [Method::PUT, Method::DELETE] {
        let answer = bound.call(method, "/environments/9", &json!({})).await;
        answer.problem(403, "scope_missing");
    }
    // An agent of one project gets nothing of another, whoever is first.
    let lease = json!({"agent": "b"});
    let answer = bound.call(Method::POST, "/agents/lease", &lease).await;
    assert_eq!(answer.status, 204);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn suites_tasks_and_testruns_of_other_projects_are_not_there_either() {
    let app = App::start().await;
    let all = caller(&app, "all", None).await;
    let bound = caller(&app, "bound", Some("shop")).await;
    let suite = json!({"repo_url": "https://example.org/other.git"});
    let foreign = all.posted("/run_suite", &suite).await;
    let own = bound.posted("/run_suite", &suite).await;
    assert_eq!(
        bound.json(&format!("/jobs/{}", own["job"])).await["project"],
        "shop"
    );
    let path = format!("/test_status/{}", foreign["id"].as_str().unwrap());
    let answer = bound.call(Method::GET, &path, &Value::Null).await;
    answer.problem(404, "job_not_found");
    assert_eq!(
        bound.json("/test_history").await.as_array().unwrap().len(),
        1
    );
    let lease = all.posted("/agents/lease", &json!({"agent": "a"})).await;
    assert_eq!(bound.json("/current_test").await, Value::Null);
    assert_eq!(all.json("/current_test").await["id"], foreign["id"]);
    all.posted(&of(&lease, "finish"), &passed()).await;
    let forgotten = bound
        .call(Method::DELETE, "/test_history", &Value::Null)
        .await;
    assert_eq!(forgotten.json(), json!({"deleted": 0}));
    assert_eq!(all.json("/test_history").await.as_array().unwrap().len(), 2);
    let lease = bound.posted("/agents/lease", &json!({"agent": "b"})).await;
    bound.posted(&of(&lease, "finish"), &passed()).await;
    let forgotten = bound
        .call(Method::DELETE, "/test_history", &Value::Null)
        .await;
    assert_eq!(forgotten.json(), json!({"deleted": 1}));

    let testrun = all
        .posted(
            "/api/testrun",
            &json!({"username": "Eve", "project": "other"}),
        )
        .await;
    let path = format!("/api/testrun/{}", testrun["id"]);
    for method in [Method::GET, Method::DELETE] {
        let answer = bound.call(method, &path, &Value::Null).await;
        answer.problem(404, "job_not_found");
    }
    assert_eq!(bound.json("/api/testrun").await["num_results"], 0);

    let mut job = git_job("Eve");
    job["project"] = "other".into();
    all.posted("/jobs", &job).await;
    let answer = bound
        .call(Method::GET, "/api/task/available", &Value::Null)
        .await;
    assert_eq!(answer.status, 404);
    let task = all.json("/api/task/available").await;
    let result = json!({"id": task["id"], "isPassed": true, "isError": false, "duration": 1, "testResults": []});
    let answer = bound.call(Method::POST, "/api/task/result", &result).await;
    answer.problem(404, "attempt_not_found");
    all.posted("/api/task/result", &result).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_cancelled_in_the_name_of_whoever_asked() {
    let app = App::start().await;
    let all = caller(&app, "night-watch", None).await;
    all.posted("/jobs", &git_job("Steve")).await;
    all.posted("/jobs/1/cancel", &Value::Null).await;
    let job = all.json("/jobs/1").await;
    let why = job["transitions"][1]["why"].as_str().unwrap();
    assert!(why.contains("night-watch"), "{job}");
    app.stop().await;
}
