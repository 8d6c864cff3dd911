//! `GET /events`: everybody who listens hears what was committed.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::app::{App, run_with_cases};
use crate::listening::{Listening, news};
use crate::live;
use crate::proxy::{Remote, Wire};

#[tokio::test(flavor = "multi_thread")]
async fn a_run_sent_whole_is_told_as_it_is_listed() {
    let app = App::start().await;
    let mut listening = Listening::to(&app, "/events").await;
    app.save(run_with_cases("a", &["passed", "failed"])).await;
    let told = listening.event().await;
    assert_eq!(told.name, "run_finished");
    assert_eq!(told.run(), app.json("/results").await[0]);

    // The same again changes nothing, so nothing is told of it.
    assert_eq!(
        app.post(&run_with_cases("a", &["passed", "failed"]))
            .await
            .status,
        200
    );
    app.save(run_with_cases("b", &["passed"])).await;
    let next = listening.event().await;
    assert_eq!(next.run()["run_id"], "b");
    assert!(
        next.id > told.id && told.id.is_some(),
        "{next:?} after {told:?}"
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_to_one_project_hears_nothing_of_others() {
    let app = App::start().await;
    let mut of_p = Listening::to(&app, "/events?project=p").await;
    let mut of_all = Listening::to(&app, "/events?project=").await;
    for (run_id, project) in [("a", "q"), ("b", "p"), ("c", ""), ("d", "p")] {
        app.save(json!({"run_id": run_id, "worker_id": "w", "project": project}))
            .await;
    }
    for run_id in ["b", "d"] {
        assert_eq!(of_p.news().await, news("run_finished", run_id));
    }
    for run_id in ["a", "b", "c", "d"] {
        assert_eq!(of_all.news().await, news("run_finished", run_id));
    }
    app.get("/events?project=%00")
        .await
        .problem(422, "invalid_parameter");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_unpacked_and_at_once_through_every_layer() {
    let app = App::start().await;
    let accepts = [("accept-encoding", "gzip, zstd")];
    let mut listening = Listening::with(&app, "/events", &accepts).await;
    let headers = listening.response_headers.clone();
    assert_eq!(headers["content-type"], "text/event-stream");
    assert!(!headers.contains_key("content-encoding"), "{headers:?}");
    assert!(
        headers["cache-control"]
            .to_str()
            .unwrap()
            .contains("no-store")
    );
    assert!(headers.contains_key("x-request-id"));
    app.save(run_with_cases("a", &["passed"])).await;
    assert_eq!(listening.news().await, news("run_finished", "a"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_stream_shows_that_it_lives() {
    let app =
        App::start_with(|config| config.timeouts.heartbeat = Duration::from_millis(100)).await;
    let mut listening = Listening::to(&app, "/events").await;
    for _ in 0..3 {
        let told = listening.part().await.unwrap();
        assert_eq!(told.comment, "still here");
    }
    app.save(run_with_cases("a", &["passed"])).await;
    assert_eq!(listening.news().await, news("run_finished", "a"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_back_is_told_that_it_missed_something() {
    let app = App::start().await;
    let comes_back = [("last-event-id", "7")];
    let mut listening = Listening::with(&app, "/events", &comes_back).await;
    assert_eq!(listening.event().await.name, "missed");
    app.save(run_with_cases("a", &["passed"])).await;
    assert_eq!(listening.news().await, news("run_finished", "a"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_listener_too_many_is_told_to_come_again() {
    let app = App::start().await;
    let mut listening = Vec::new();
    for _ in 0..200 {
        listening.push(Listening::to(&app, "/events").await);
    }
    app.get("/events").await.problem(503, "busy");
    drop(listening.pop());
    let deadline = Instant::now() + Duration::from_secs(20);
    // The master notices that one is gone when it next writes to it.
    let mut number = 0;
    loop {
        number += 1;
        app.save(json!({"run_id": format!("r{number}"), "worker_id": "w"}))
            .await;
        let request = app.client.get(format!("{}/events", app.url));
        if request.send().await.unwrap().status() == 200 {
            break;
        }
        assert!(Instant::now() < deadline, "the place was not given back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_does_not_read_misses_events_and_holds_up_nobody() {
    let app = App::start().await;
    let mut lagging = Listening::silent(&app, "/events", &[]).await;
    let mut reading = Listening::to(&app, "/events").await;
    // Each event carries a long name, so that the buffers of both sockets are soon full.
    let branch = "x".repeat(500);
    let run = |number: usize| json!({"run_id": format!("{number:0>190}"), "worker_id": branch, "project": branch, "branch": branch, "commit": branch});
    let mut number = 0;
    let begun = Instant::now();
    let mut told = 0;
    // 15 MiB of events are more than any socket takes.
    while number < 6_000 && begun.elapsed() < Duration::from_mins(1) {
        let runs: Vec<_> = (0..32).map(|step| run(number + step)).collect();
        for answer in futures_util::future::join_all(runs.iter().map(|run| app.post(run))).await {
            assert_eq!(answer.status, 201);
        }
        number += 32;
        while told < number {
            assert_eq!(reading.event().await.name, "run_finished");
            told += 1;
        }
    }
    // It goes on where it can.
    let mut names = std::collections::BTreeMap::<String, usize>::new();
    let last = format!("{:0>190}", number - 1);
    loop {
        let event = lagging.event().await;
        *names.entry(event.name.clone()).or_default() += 1;
        if event.name == "run_finished" && event.run()["run_id"] == last.as_str() {
            break;
        }
    }
    assert!(names["missed"] >= 1, "{names:?}");
    assert!(names["run_finished"] < number, "{names:?}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_goes_on_is_told_of_from_its_start_to_its_end() {
    let app = App::start().await;
    let mut listening = Listening::to(&app, "/events").await;
    live::open(&app, "a").await;
    let told = listening.event().await;
    assert_eq!(told.name, "run_started");
    assert_eq!(told.run()["status"], "running");
    assert!(told.run()["live"]["heard_at"].is_string());

    // Far more often than it may be told of.
    let begun = Instant::now();
    let mut batches = 0;
    while begun.elapsed() < Duration::from_secs(4) {
        batches += 1;
        live::append(
            &app,
            "a",
            batches,
            json!([{"nodeid": format!("t.py::{batches}"), "outcome": "passed"}]),
        )
        .await;
    }
    live::finish(&app, "a", batches).await;
    let seconds = begun.elapsed().as_secs() as usize;
    let mut totals = Vec::new();
    let last = loop {
        let told = listening.event().await;
        if told.name != "run_progressed" {
            break told;
        }
        totals.push(told.run()["total"].as_u64().unwrap());
    };
    assert_eq!(last.name, "run_finished");
    assert_eq!(last.run()["total"], batches);
    assert_eq!(last.run(), app.json("/results").await[0]);
    assert!(
        (1..=seconds + 1).contains(&totals.len()),
        "{totals:?} in {seconds} s"
    );
    assert!(totals.is_sorted() && totals[0] < batches, "{totals:?}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_worker_fell_silent_is_told_of_as_lost() {
    let app =
        App::start_with(|config| config.worker_silence_max = Duration::from_millis(300)).await;
    let mut listening = Listening::to(&app, "/events").await;
    live::open(&app, "a").await;
    assert_eq!(listening.news().await, news("run_started", "a"));
    let told = listening.event().await;
    assert_eq!(
        (told.name.as_str(), &told.run()["status"]),
        ("run_finished", &json!("lost"))
    );
    // Its worker comes back.
    live::append(&app, "a", 1, json!([])).await;
    assert_eq!(listening.news().await, news("run_started", "a"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn listeners_do_not_hold_up_the_end() {
    let mut app = App::start().await;
    let mut listening = Listening::to(&app, "/events").await;
    let begun = Instant::now();
    app.begin_to_stop();
    assert_eq!(listening.part().await, None);
    drop(app.stop_begun().await);
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_master_on_one_database_tells_of_every_run() {
    let remote = Remote::start().await;
    let url = remote.url.clone();
    let one = App::start_with(|config| config.database_url.clone_from(&url)).await;
    let other = App::start_with(|config| config.database_url.clone_from(&url)).await;
    let mut at_one = Listening::to(&one, "/events").await;
    let mut at_other = Listening::to(&other, "/events?project=p").await;
    one.save(run_with_cases("a", &["passed"])).await;
    other.save(run_with_cases("b", &["failed"])).await;
    for listening in [&mut at_one, &mut at_other] {
        let mut told = vec![listening.news().await, listening.news().await];
        told.sort();
        assert_eq!(told, [news("run_finished", "a"), news("run_finished", "b")]);
    }
    one.stop().await;
    other.stop().await;
    remote.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_wire_to_postgresql_is_said_and_mended() {
    let remote = Remote::start().await;
    let url = remote.url.clone();
    let app = App::start_with(|config| config.database_url.clone_from(&url)).await;
    let mut listening = Listening::to(&app, "/events").await;
    remote.set(Wire::Cut);
    assert_eq!(listening.event().await.name, "missed");
    remote.set(Wire::Whole);
    // Once more when it hears again; then nothing is missing any more.
    assert_eq!(listening.event().await.name, "missed");
    app.save(run_with_cases("a", &["passed"])).await;
    loop {
        let told = listening.event().await;
        if told.name == "run_finished" {
            assert_eq!(told.run()["run_id"], "a");
            break;
        }
        assert_eq!(told.name, "missed");
    }
    app.stop().await;
    remote.end().await;
}
