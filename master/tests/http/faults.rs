//! The database fails in the middle: nothing is half there, and the same report is taken later.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::{Connection, Executor, SqliteConnection};

use crate::app::{Answer, App, run_with_cases, sqlite_url};
use crate::proxy::{Remote, Wire};
use reqwest::Method;

/// Longest time in which a master may notice that its database is away.
const NOTICED: Duration = Duration::from_secs(20);

async fn on_postgres(remote: &Remote) -> App {
    let url = remote.url.clone();
    App::start_with(move |config| config.database_url = url).await
}

/// A run with a failure, so that it touches every table.
fn report(run_id: &str) -> Value {
    let mut run = run_with_cases(run_id, &["passed", "failed", "passed"]);
    run["cases"][1]["failures"] = json!([{"phase": "call", "message": format!("{run_id} broke"), "traceback": "E  assert 0"}]);
    run
}

fn told_to_come_back(answer: &Answer) {
    answer.problem(503, "database_unavailable");
    let seconds: u32 = answer.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&seconds));
    assert!(!answer.text().contains("postgres"), "{}", answer.text());
}

/// Everything that is answered knows exactly these runs, the newest first.
async fn holds_exactly(app: &App, run_ids: &[&str]) {
    let runs = app.json("/results").await;
    let listed: Vec<&str> = runs
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["run_id"].as_str().unwrap())
        .collect();
    assert_eq!(listed, run_ids);
    let count = run_ids.len();
    let workers = app.json("/workers").await;
    assert_eq!(workers[0]["run_count"], count, "{workers}");
    let stats = app.json("/failures/stats").await;
    assert_eq!(stats[0]["fail_count"], count, "{stats}");
    let trend = app.json("/trend?project=p").await;
    assert_eq!(trend.as_array().unwrap().len(), count, "{trend}");
    for run_id in run_ids {
        let cases = app.json(&format!("/results/{run_id}/cases")).await;
        assert_eq!(cases.as_array().unwrap().len(), 3);
        let case = format!("/results/{run_id}/case?nodeid=tests/test_a.py::test_1");
        let message = format!("{run_id} broke");
        assert_eq!(app.json(&case).await["failures"][0]["message"], message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_that_goes_away_and_comes_back_loses_nothing() {
    let remote = Remote::start().await;
    let app = on_postgres(&remote).await;
    app.save(report("before")).await;

    remote.set(Wire::Cut);
    let begun = Instant::now();
    told_to_come_back(&app.post(&report("during")).await);
    told_to_come_back(&app.get("/health").await);
    told_to_come_back(&app.get("/results").await);
    assert!(begun.elapsed() < 2 * NOTICED, "{:?}", begun.elapsed());

    remote.set(Wire::Whole);
    holds_exactly(&app, &["before"]).await;
    assert_eq!(app.json("/health").await, json!({"status": "ok"}));
    app.save(report("during")).await;
    holds_exactly(&app, &["during", "before"]).await;
    app.stop().await;
    remote.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wire_cut_before_the_commit_leaves_nothing_behind() {
    let remote = Remote::start().await;
    let app = on_postgres(&remote).await;
    app.save(report("before")).await;

    remote.set(Wire::CutBeforeCommit);
    told_to_come_back(&app.post(&report("during")).await);
    told_to_come_back(&app.get("/health").await);

    remote.set(Wire::Whole);
    holds_exactly(&app, &["before"]).await;
    app.save(report("during")).await;
    holds_exactly(&app, &["during", "before"]).await;
    app.stop().await;
    remote.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_counted_once() {
    let remote = Remote::start().await;
    let app = on_postgres(&remote).await;
    app.save(report("before")).await;

    remote.set(Wire::CutAfterCommit);
    told_to_come_back(&app.post(&report("during")).await);

    remote.set(Wire::Whole);
    holds_exactly(&app, &["during", "before"]).await;
    assert_eq!(app.post(&report("during")).await.status, 200);
    holds_exactly(&app, &["during", "before"]).await;
    app.stop().await;
    remote.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sqlite_file_that_another_program_locks_is_waited_for_and_then_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let url = sqlite_url(folder.path());
    let app = App::start_with(|config| config.database_url.clone_from(&url)).await;
    app.save(report("before")).await;

    let mut other = SqliteConnection::connect(&url).await.unwrap();
    other.execute("begin exclusive").await.unwrap();
    let begun = Instant::now();
    told_to_come_back(&app.post(&report("during")).await);
    assert!(begun.elapsed() < NOTICED, "{:?}", begun.elapsed());
    // Readers never wait for a writer: what is there can be asked for all the while.
    holds_exactly(&app, &["before"]).await;

    other.execute("rollback").await.unwrap();
    other.close().await.unwrap();
    app.save(report("during")).await;
    holds_exactly(&app, &["during", "before"]).await;
    app.stop().await;
}

async fn call(app: &App, method: Method, path: &str, body: &Value) -> Answer {
    let json = [("content-type", "application/json")];
    let body = body.to_string().into_bytes();
    app.request(method, path, &json, body).await
}

/// Every way of reporting, with a run `live` that was opened.
fn reports() -> [(Method, &'static str, Value); 4] {
    let opening = |run_id: &str| json!({"run_id": run_id, "worker_id": "w", "project": "p"});
    let cases = report("fed")["cases"].clone();
    [
        (Method::POST, "/results", report("whole")),
        (Method::PUT, "/results/opened", opening("opened")),
        (
            Method::POST,
            "/results/live/cases",
            json!({"number": 1, "batch_id": "b1", "cases": cases}),
        ),
        (
            Method::POST,
            "/results/ended/finish",
            json!({"batches": 0, "run": opening("ended")}),
        ),
    ]
}

async fn opened_runs(app: &App) {
    for run_id in ["live", "ended"] {
        let opening = json!({"run_id": run_id, "worker_id": "w", "project": "p"});
        let answer = call(app, Method::PUT, &format!("/results/{run_id}"), &opening).await;
        assert_eq!(answer.status, 201);
    }
}

async fn everybody_is_told_to_come_back(app: &App) {
    let reports = reports();
    // At the same time: each may wait for as long as a lock is waited for.
    let calls = reports
        .iter()
        .map(|(method, path, body)| call(app, method.clone(), path, body));
    for answer in futures_util::future::join_all(calls).await {
        told_to_come_back(&answer);
    }
    told_to_come_back(&app.get("/health").await);
}

/// The same reports are taken, each once, and nothing was there of them before.
async fn everybody_is_taken(app: &App) {
    let status = async |run_id: &str| app.get(&format!("/results/{run_id}")).await.status;
    assert_eq!([status("whole").await, status("opened").await], [404, 404]);
    for run_id in ["live", "ended"] {
        let run = app.json(&format!("/results/{run_id}")).await;
        assert_eq!(
            (&run["status"], &run["total"]),
            (&json!("running"), &json!(0))
        );
    }
    assert_eq!(app.json("/health").await, json!({"status": "ok"}));
    for expected in [201, 200] {
        for (method, path, body) in reports() {
            let answer = call(app, method, path, &body).await;
            assert_eq!(answer.status, expected, "{path}: {}", answer.text());
        }
    }
    let run = app.json("/results/live").await;
    assert_eq!((&run["total"], &run["failed"]), (&json!(3), &json!(1)));
    assert_eq!(app.json("/results/whole").await["failed"], 1);
    assert_eq!(app.json("/results/ended").await["status"], "no_tests");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_report_is_half_taken_while_postgresql_is_away() {
    let remote = Remote::start().await;
    let app = on_postgres(&remote).await;
    opened_runs(&app).await;
    remote.set(Wire::Cut);
    everybody_is_told_to_come_back(&app).await;
    remote.set(Wire::Whole);
    everybody_is_taken(&app).await;
    app.stop().await;
    remote.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_report_is_half_taken_while_postgresql_is_read_only() {
    let remote = Remote::start().await;
    let app = on_postgres(&remote).await;
    opened_runs(&app).await;
    let read_only = "alter database {} set default_transaction_read_only to ";
    remote.administer(&format!("{read_only}on")).await;
    remote.end_backends().await;
    // A connection that was ended is noticed by whoever uses it first.
    let deadline = Instant::now() + NOTICED;
    while app.get("/results").await.status != 200 {
        assert!(Instant::now() < deadline, "reading does not go on");
    }
    everybody_is_told_to_come_back(&app).await;
    assert_eq!(app.get("/results").await.status, 200, "reading goes on");
    remote.administer(&format!("{read_only}off")).await;
    remote.end_backends().await;
    let deadline = Instant::now() + NOTICED;
    while app.get("/health").await.status != 200 {
        assert!(
            Instant::now() < deadline,
            "health does not come back by itself"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    everybody_is_taken(&app).await;
    app.stop().await;
    remote.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_report_is_half_taken_while_another_program_locks_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = sqlite_url(folder.path());
    let app = App::start_with(|config| config.database_url.clone_from(&url)).await;
    opened_runs(&app).await;
    let mut other = SqliteConnection::connect(&url).await.unwrap();
    other.execute("begin exclusive").await.unwrap();
    let begun = Instant::now();
    everybody_is_told_to_come_back(&app).await;
    assert!(begun.elapsed() < 3 * NOTICED, "{:?}", begun.elapsed());
    other.execute("rollback").await.unwrap();
    other.close().await.unwrap();
    // Whatever still waits for the lock gets it now.
    let deadline = Instant::now() + NOTICED;
    while app.get("/health").await.status != 200 {
        assert!(
            Instant::now() < deadline,
            "health does not come back by itself"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    everybody_is_taken(&app).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn backends_that_end_in_the_middle_cost_a_repetition_and_nothing_else() {
    let remote = Remote::start().await;
    let app = on_postgres(&remote).await;
    let mut expected = Vec::new();
    for round in 0..6 {
        let run_ids: Vec<String> = (0..4).map(|number| format!("r{round}-{number}")).collect();
        let reports: Vec<Value> = run_ids.iter().map(|run_id| report(run_id)).collect();
        let posts = futures_util::future::join_all(reports.iter().map(|run| app.post(run)));
        let (answers, ()) = tokio::join!(posts, remote.end_backends());
        for (run, answer) in reports.iter().zip(answers) {
            if answer.status == 201 {
                continue;
            }
            told_to_come_back(&answer);
            let deadline = Instant::now() + NOTICED;
            loop {
                let again = app.post(run).await;
                if again.status.is_success() {
                    break;
                }
                told_to_come_back(&again);
                assert!(Instant::now() < deadline, "it is never taken");
            }
        }
        expected.extend(run_ids);
    }
    let runs = app.json("/results").await;
    let mut listed: Vec<&str> = runs
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["run_id"].as_str().unwrap())
        .collect();
    listed.sort_unstable();
    assert_eq!(listed, expected);
    assert_eq!(app.json("/workers").await[0]["run_count"], expected.len());
    assert_eq!(
        app.json("/failures/stats").await[0]["fail_count"],
        expected.len()
    );
    app.stop().await;
    remote.end().await;
}
