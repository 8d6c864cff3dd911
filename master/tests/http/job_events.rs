//! `GET /events`: everybody who listens hears what becomes of jobs.

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::App;
use crate::job_calls::{git_job, job_in, passed};
use crate::listening::Listening;

/// The job of the next event, which must be about one.
async fn job(listening: &mut Listening) -> Value {
    let told = listening.event().await;
    assert_eq!(told.name, "job_changed");
    told.run()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_told_of_as_it_is_listed_whenever_it_changes() {
    let app = App::start().await;
    let mut listening = Listening::to(&app, "/events").await;
    app.queue(job_in("Steve", "7")).await;
    assert_eq!(job(&mut listening).await, app.json("/jobs").await[0]);
    let lease = app.leased("agent-a").await;
    let running = job(&mut listening).await;
    assert_eq!(running, app.json("/jobs").await[0]);
    assert_eq!(running["state"], "running");
    // That its log grows is told where the log is read.
    app.logged(&lease, 0, b"line\n").await;
    let path = format!("/jobs/{}/cancel", lease["job"]);
    app.send(Method::POST, &path, &Value::Null).await;
    let cancelled = job(&mut listening).await;
    assert_eq!(cancelled["cancel_requested"], true);
    assert_eq!(cancelled["state"], "running");
    app.finished(&lease, &passed()).await;
    assert_eq!(job(&mut listening).await["state"], "passed");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_to_one_project_hears_nothing_of_the_jobs_of_others() {
    let app = App::start().await;
    let mut of_bank = Listening::to(&app, "/events?project=bank").await;
    app.queue(git_job("Steve")).await;
    let mut of_the_bank = git_job("Ann");
    of_the_bank["project"] = "bank".into();
    app.queue(of_the_bank).await;
    assert_eq!(job(&mut of_bank).await["username"], "Ann");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_deleted_is_told_of_to_those_who_saw_it() {
    let app = App::start().await;
    let id = app.queue(git_job("Steve")).await["id"].clone();
    let lease = app.leased("agent-a").await;
    app.finished(&lease, &passed()).await;
    let mut of_all = Listening::to(&app, "/events").await;
    let mut of_shop = Listening::to(&app, "/events?project=shop").await;
    let mut of_bank = Listening::to(&app, "/events?project=bank").await;
    let path = format!("/jobs/{id}");
    let answer = app.send(Method::DELETE, &path, &Value::Null).await;
    assert_eq!(answer.status, 204);
    for listening in [&mut of_all, &mut of_shop] {
        let told = listening.event().await;
        assert_eq!(told.name, "job_deleted");
        assert_eq!(told.run(), json!({"id": id}));
    }
    let mut of_the_bank = git_job("Ann");
    of_the_bank["project"] = "bank".into();
    app.queue(of_the_bank).await;
    assert_eq!(job(&mut of_bank).await["username"], "Ann");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_testrun_that_is_deleted_while_it_runs_is_told_of_at_once_and_once() {
    let app = App::start().await;
    let suite = json!({"repo_url": "https://example.org/shop.git", "project": "shop"});
    app.posted("/run_suite", &suite, 200).await;
    let lease = app.leased("agent-a").await;
    app.finished(&lease, &passed()).await;
    let testrun = json!({"username": "Steve"});
    let testrun = app.posted("/api/testrun", &testrun, 201).await["id"].clone();
    let lease = app.leased("agent-a").await;
    assert_eq!(lease["job"], testrun);
    let mut listening = Listening::to(&app, "/events").await;
    let path = format!("/api/testrun/{testrun}");
    app.send(Method::DELETE, &path, &Value::Null).await;
    let told = listening.event().await;
    assert_eq!(
        (told.name.as_str(), told.run()),
        ("job_deleted", json!({"id": testrun}))
    );
    app.finished(&lease, &passed()).await;
    app.send(Method::DELETE, "/test_history", &Value::Null)
        .await;
    let told = listening.event().await;
    assert_eq!(
        (told.name.as_str(), told.run()),
        ("job_deleted", json!({"id": 1}))
    );
    app.stop().await;
}
