//! Somebody who is bound to a project: not a byte of another one reaches him, whatever he asks.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use shared::access::Scope;

use crate::app::{Answer, App};

/// In everything of the other project, and nowhere else.
const MARK: &str = "zebra";

/// A master with two projects, and what opens it for one of them.
struct Two {
    app: App,
    authorization: String,
    /// Of the other project: what stands in paths.
    foreign: Ids,
    /// Of the own project.
    own: Ids,
}

struct Ids {
    run: &'static str,
    job: i64,
    suite: String,
    testrun: i64,
    attempt: i64,
}

fn run(run_id: &str, mark: &str, project: &str) -> Value {
    json!({
        "run_id": run_id, "worker_id": format!("worker-{mark}"), "project": project,
        "branch": format!("branch-{mark}"), "commit": format!("{mark}0123456789"),
        "log_tail": mark, "command": format!("pytest {mark}"),
        "cases": [
            {"nodeid": format!("t.py::test_{mark}"), "outcome": "failed", "duration": 1.5,
             "message": format!("boom {mark}"),
             "failures": [{"phase": "call", "message": mark, "traceback": mark, "stdout": mark}]},
            {"nodeid": "t.py::test_same", "outcome": "passed", "duration": 0.5},
        ],
    })
}

/// Makes one of everything that there is in a project, on a master that asks nobody.
async fn fill(app: &App, run_id: &'static str, mark: &str, project: &str) -> Ids {
    app.save(run(run_id, mark, project)).await;
    let live = format!("{run_id}-live");
    let opening =
        json!({"run_id": live, "worker_id": format!("worker-{mark}"), "project": project});
    call(app, "", Method::PUT, &format!("/results/{live}"), &opening).await;
    let batch = json!({"batch_id": format!("{live}-1"), "number": 1, "cases": [
        {"nodeid": format!("t.py::live_{mark}"), "outcome": "failed", "message": mark}]});
    call(
        app,
        "",
        Method::POST,
        &format!("/results/{live}/cases"),
        &batch,
    )
    .await;
    let source =
        json!({"type": "git", "url": format!("https://example.org/{mark}.git"), "branch": "main"});
    let new = json!({"username": format!("user-{mark}"), "project": project, "source": source,
        "environment": "7", "tests": [format!("test_{mark}.py")]});
    let job = created(app, "/jobs", &new).await;
    let leased = call(
        app,
        "",
        Method::POST,
        "/agents/lease",
        &json!({"agent": "agent-1", "slots": 2}),
    )
    .await;
    let attempt = leased["attempt"].as_i64().unwrap_or_default();
    if attempt > 0 {
        let path = format!("/jobs/{}/attempts/{attempt}/log?offset=0", job["id"]);
        let log = app.request(
            Method::POST,
            &path,
            &[],
            format!("log of {mark}\n").into_bytes(),
        );
        assert_eq!(log.await.status, 200);
    }
    Ids {
        run: run_id,
        job: job["id"].as_i64().unwrap(),
        suite: String::new(),
        testrun: 0,
        attempt,
    }
}

async fn created(app: &App, path: &str, body: &Value) -> Value {
    call(app, "", Method::POST, path, body).await
}

async fn call(app: &App, authorization: &str, method: Method, path: &str, body: &Value) -> Value {
    let answer = ask(app, authorization, method.clone(), path, body).await;
    assert!(
        answer.status.is_success(),
        "{method} {path}: {} {}",
        answer.status,
        answer.text()
    );
    if answer.bytes.is_empty() {
        return Value::Null;
    }
    answer.json()
}

async fn ask(app: &App, authorization: &str, method: Method, path: &str, body: &Value) -> Answer {
    let mut headers = vec![("content-type", "application/json")];
    if !authorization.is_empty() {
        headers.push(("authorization", authorization));
    }
    let body = if body.is_null() {
        Vec::new()
    } else {
        body.to_string().into_bytes()
    };
    app.request(method, path, &headers, body).await
}

impl Two {
    async fn start(scopes: &[Scope]) -> Self {
        let app = App::start().await;
        let foreign = fill(&app, "run-a", MARK, MARK).await;
        let mut own = fill(&app, "run-b", "shop", "shop").await;
        let suite = json!({"repo_url": "https://example.org/shop.git", "branch": "main",
            "suite": {"name": "tests/", "params": {}}});
        let suite = created(&app, "/run_suite", &suite).await;
        own.suite = String::from(suite["id"].as_str().unwrap());
        let testrun = created(
            &app,
            "/api/testrun",
            &json!({"username": format!("user-{MARK}")}),
        )
        .await;
        own.testrun = testrun["id"].as_i64().unwrap();
        let token = app.token("bound", scopes, Some("shop")).await;
        app.knows().await;
        Self {
            app,
            authorization: format!("Bearer {token}"),
            foreign,
            own,
        }
    }

    async fn send(&self, method: Method, path: &'static str, body: Value) -> Answer {
        ask(&self.app, &self.authorization, method, path, &body).await
    }

    async fn get(&self, path: &str) -> Answer {
        ask(
            &self.app,
            &self.authorization,
            Method::GET,
            path,
            &Value::Null,
        )
        .await
    }
}

/// Every path that can be asked, with the ids of one project.
fn paths(ids: &Ids, suite: &str, testrun: i64) -> Vec<String> {
    let document = serde_json::to_value(master::http::document()).unwrap();
    let mut paths = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        if operations.get("get").is_none() || path == "/events" {
            continue;
        }
        let runs = [ids.run.to_owned(), format!("{}-live", ids.run)];
        for run in runs {
            let filled = path
                .replace("{run_id}", &run)
                .replace("{job}", &ids.job.to_string())
                .replace("{attempt}", &ids.attempt.to_string())
                .replace("{test_id}", suite)
                .replace("{id}", &testrun.to_string())
                .replace("{name}", "7");
            paths.push(filled.clone());
            if path.ends_with("/case") {
                for nodeid in ["t.py::test_same", "t.py::test_shop"] {
                    paths.push(format!("{filled}?nodeid={nodeid}"));
                }
            }
        }
    }
    paths.sort();
    paths.dedup();
    paths
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_has_a_byte_of_another_project() {
    let two = Two::start(&[Scope::Read, Scope::Run, Scope::Report]).await;
    let mut good = 0;
    for ids in [&two.own, &two.foreign] {
        for path in paths(ids, &two.own.suite, two.own.testrun) {
            let answer = two.get(&path).await;
            let text = format!("{} {:?}", answer.text(), answer.headers);
            assert!(!text.contains(MARK), "GET {path}: {text}");
            good += usize::from(answer.status == 200);
        }
    }
    assert!(good > 15, "only {good} answers said anything");
    // The mark is where it could be found: whoever sees all finds it in many answers.
    let all = two.app.token("all", &[Scope::Admin], None).await;
    let mut marked = 0;
    for path in paths(&two.foreign, &two.own.suite, two.own.testrun) {
        let answer = ask(
            &two.app,
            &format!("Bearer {all}"),
            Method::GET,
            &path,
            &Value::Null,
        )
        .await;
        marked += usize::from(answer.text().contains(MARK));
    }
    assert!(marked > 12, "only {marked} answers had the mark");
    // A job that waits for one of another project says so without a name.
    let waits = two.get(&format!("/jobs/{}", two.own.job)).await.json();
    assert!(
        waits["waits_for"].to_string().contains("another project"),
        "{waits}"
    );
    two.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_have_what_is_the_callers_own_and_its_things_are_there() {
    let two = Two::start(&[Scope::Read]).await;
    let runs = two.get("/results").await.json();
    let ids: Vec<&str> = runs
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["run_id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["run-b-live", "run-b"]);
    assert_eq!(
        two.get("/projects").await.json(),
        json!([{"project": "shop", "run_count": 1}])
    );
    let workers = two.get("/workers").await.json();
    assert_eq!(workers.as_array().unwrap().len(), 1, "{workers}");
    assert_eq!(workers[0]["worker_id"], "worker-shop");
    assert_eq!(workers[0]["run_count"], 1);
    assert_eq!(workers[0]["avg_pass_rate"], 50.0);
    let stats = two.get("/failures/stats").await.json();
    assert_eq!(
        stats,
        json!([{"nodeid": "t.py::test_shop", "fail_count": 1}])
    );
    assert_eq!(two.get("/trend").await.json().as_array().unwrap().len(), 1);
    for path in ["", "/cases", "/case?nodeid=t.py::test_same"] {
        assert_eq!(
            two.get(&format!("/results/run-b{path}")).await.status,
            200,
            "{path}"
        );
        let foreign = two.get(&format!("/results/run-a{path}")).await;
        foreign.problem(404, "run_not_found");
    }
    assert_eq!(two.get(&format!("/jobs/{}", two.own.job)).await.status, 200);
    let foreign = two.get(&format!("/jobs/{}", two.foreign.job)).await;
    foreign.problem(404, "job_not_found");
    for path in ["/results", "/trend", "/failures/stats", "/events", "/jobs"] {
        let refused = two.get(&format!("{path}?project=zebra")).await;
        assert_eq!(
            refused.problem(403, "project_forbidden"),
            "project",
            "{path}"
        );
        if path != "/events" {
            assert_eq!(
                two.get(&format!("{path}?project=shop")).await.status,
                200,
                "{path}"
            );
        }
    }
    two.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reports_for_another_project() {
    let two = Two::start(&[Scope::Report]).await;
    let post = |body: Value| two.send(Method::POST, "/results", body);
    let own = |run_id: &str| run(run_id, "shop", "shop");
    assert_eq!(post(own("new")).await.status, 201);
    for project in ["zebra", ""] {
        let refused = post(run("new-2", "shop", project)).await;
        assert_eq!(refused.problem(403, "project_forbidden"), "project");
        assert!(refused.text().contains("`shop`"), "{}", refused.text());
    }
    // Neither a run that is whole nor one that goes on can be taken over.
    let mut takeover = own("run-a-live");
    takeover["worker_id"] = json!("worker-zebra");
    post(takeover.clone()).await.problem(409, "run_conflict");
    post(own("run-a")).await.problem(409, "run_conflict");
    let opening = json!({"run_id": "run-a-live", "worker_id": "worker-zebra", "project": "shop"});
    two.send(Method::PUT, "/results/run-a-live", opening)
        .await
        .problem(404, "run_not_found");
    let opening = json!({"run_id": "run-c", "worker_id": "w", "project": "zebra"});
    let refused = two.send(Method::PUT, "/results/run-c", opening).await;
    assert_eq!(refused.problem(403, "project_forbidden"), "project");
    let batch = json!({"batch_id": "x", "number": 2, "cases": []});
    two.send(Method::POST, "/results/run-a-live/cases", batch)
        .await
        .problem(404, "run_not_found");
    let finish = json!({"run": {"run_id": "run-a-live", "worker_id": "worker-zebra", "project": "shop"}, "batches": 1});
    two.send(Method::POST, "/results/run-a-live/finish", finish)
        .await
        .problem(404, "run_not_found");
    let finish = json!({"run": {"run_id": "run-b-live", "worker_id": "worker-shop", "project": "zebra"}, "batches": 1});
    let refused = two
        .send(Method::POST, "/results/run-b-live/finish", finish)
        .await;
    assert_eq!(refused.problem(403, "project_forbidden"), "run.project");
    two.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_changes_the_jobs_of_another_project() {
    let two = Two::start(&[Scope::Run, Scope::Read]).await;
    let (job, attempt) = (two.foreign.job, two.foreign.attempt);
    let before = app_job(&two, job).await;
    for (method, path) in [
        (Method::DELETE, format!("/jobs/{job}")),
        (Method::POST, format!("/jobs/{job}/cancel")),
        (Method::POST, format!("/jobs/{job}/rerun")),
        (
            Method::POST,
            format!("/jobs/{job}/attempts/{attempt}/heartbeat"),
        ),
        (
            Method::POST,
            format!("/jobs/{job}/attempts/{attempt}/log?offset=0"),
        ),
        (
            Method::POST,
            format!("/jobs/{job}/attempts/{attempt}/steps"),
        ),
        (
            Method::POST,
            format!("/jobs/{job}/attempts/{attempt}/finish"),
        ),
        (
            Method::GET,
            format!("/jobs/{job}/attempts/{attempt}/source"),
        ),
    ] {
        let answer = ask(
            &two.app,
            &two.authorization,
            method.clone(),
            &path,
            &json!({}),
        )
        .await;
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text());
    }
    let new = json!({"username": "u", "project": MARK,
        "source": {"type": "git", "url": "https://example.org/x.git", "branch": "main"}});
    let refused = ask(&two.app, &two.authorization, Method::POST, "/jobs", &new).await;
    assert_eq!(refused.problem(403, "project_forbidden"), "project");
    // An agent of a project gets jobs of that project only.
    let lease = json!({"agent": "bound", "slots": 9});
    for _ in 0..3 {
        let answer = ask(
            &two.app,
            &two.authorization,
            Method::POST,
            "/agents/lease",
            &lease,
        )
        .await;
        assert!(!answer.text().contains(MARK), "{}", answer.text());
    }
    assert_eq!(app_job(&two, job).await, before);
    two.app.stop().await;
}

/// State and attempts of a job, as somebody sees it who sees all.
async fn app_job(two: &Two, job: i64) -> Value {
    let all = two
        .app
        .token(
            &format!("all-{}", uuid::Uuid::now_v7().simple()),
            &[Scope::Read],
            None,
        )
        .await;
    let answer = ask(
        &two.app,
        &format!("Bearer {all}"),
        Method::GET,
        &format!("/jobs/{job}"),
        &Value::Null,
    )
    .await;
    let job = answer.json();
    json!([
        job["state"],
        job["cancel_requested"],
        job["attempts"],
        job["transitions"]
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_hears_of_its_own_project_only() {
    let two = Two::start(&[Scope::Read, Scope::Report, Scope::Run]).await;
    let all = two
        .app
        .token("all", &[Scope::Report, Scope::Run], None)
        .await;
    let all = format!("Bearer {all}");
    let request = two.app.client.get(format!("{}/events", two.app.url));
    let mut events = request
        .header("authorization", &two.authorization)
        .send()
        .await
        .unwrap();
    assert_eq!(events.status(), 200);
    let mut heard = String::new();
    while !heard.contains("listening") {
        heard += &String::from_utf8_lossy(&events.chunk().await.unwrap().unwrap());
    }
    let new = |project: &str| {
        json!({"username": format!("user-{project}"), "project": project,
        "source": {"type": "git", "url": "https://example.org/x.git", "branch": "main"}})
    };
    for (run_id, project) in [("new-a", MARK), ("new-b", "shop")] {
        call(
            &two.app,
            &all,
            Method::POST,
            "/results",
            &run(run_id, project, project),
        )
        .await;
        call(&two.app, &all, Method::POST, "/jobs", &new(project)).await;
    }
    let reading = async {
        while !(heard.contains("new-b") && heard.contains("user-shop")) {
            heard += &String::from_utf8_lossy(&events.chunk().await.unwrap().unwrap());
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reading)
        .await
        .unwrap();
    assert!(!heard.contains(MARK), "{heard}");
    drop(events);
    two.app.stop().await;
}
