//! The database fails in the middle: nothing is half there, and the same report is taken later.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::{Connection, Executor, SqliteConnection};

use crate::app::{Answer, App, run_with_cases, sqlite_url};
use crate::proxy::{Remote, Wire};

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
