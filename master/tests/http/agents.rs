//! `/agents` and `/jobs/{job}/attempts/...`: what agents and the master say to one another.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::app::App;
use crate::job_calls::{git_job, job_in, of, passed};

/// Longest wait for something that has to come.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_takes_a_job_through_all_its_steps() {
    let app = App::start().await;
    let mut new = job_in("Steve", "7");
    new["tests"] = json!(["tests/"]);
    new["args"] = json!(["-k", "slow"]);
    new["env"] = json!({"A": "b"});
    let job = app.queue(new).await;
    let lease = app.leased("agent-1").await;
    for (field, expected) in [
        ("job", json!(1)),
        ("uuid", job["uuid"].clone()),
        ("number", json!(1)),
        ("username", json!("Steve")),
        ("project", json!("shop")),
        ("source", job["source"].clone()),
        ("tests", json!(["tests/"])),
        ("args", json!(["-k", "slow"])),
        ("env", json!({"A": "b"})),
        ("environment", json!("7")),
        ("lease_s", json!(30)),
        ("timeout_s", json!(3_600)),
    ] {
        assert_eq!(lease[field], expected, "{field}: {lease}");
    }
    let heard = app
        .posted(&of(&lease, "heartbeat"), &Value::Null, 200)
        .await;
    assert_eq!(heard, json!({"cancel": false, "lease_s": 30}));
    let step = json!({"name": "fetch", "started_at": "2026-11-21T10:00:00Z", "finished_at": "2026-11-21T10:00:01Z", "text": "main at 4f2a"});
    app.posted(&of(&lease, "steps"), &step, 204).await;
    app.logged(&lease, 0, b"hello\n").await;
    let job = app.finished(&lease, &passed()).await;
    assert_eq!(job["state"], "passed");
    assert_eq!(job["agent"], "agent-1");
    let job = app.json("/jobs/1").await;
    let states: Vec<&str> = job["transitions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["queued", "running", "passed"]);
    let attempt = &job["attempts"][0];
    assert_eq!(attempt["ending"], "passed");
    assert_eq!(attempt["run_id"], lease["run_id"]);
    assert_eq!(attempt["steps"][0]["name"], "fetch");
    assert_eq!(attempt["steps"][0]["text"], "main at 4f2a");
    assert_eq!(attempt["exit_code"], 0);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_comes_with_an_attempt_that_is_over_changes_anything() {
    let app = App::start().await;
    app.queue(git_job("Steve")).await;
    let lease = app.leased("agent-1").await;
    app.finished(&lease, &passed()).await;
    let before = app.json("/jobs/1").await;
    // The same end again is the answer that got lost.
    app.finished(&lease, &passed()).await;
    let step = json!({"name": "run", "started_at": "2026-11-21T10:00:00Z"});
    for (call, body) in [
        ("heartbeat", Value::Null),
        ("steps", step),
        ("finish", json!({"ending": "failed", "exit_code": 1})),
        ("finish", json!({"ending": "released"})),
    ] {
        let answer = app.send(Method::POST, &of(&lease, call), &body).await;
        answer.problem(409, "lease_lost");
    }
    app.log(&lease, 0, b"late").await.problem(409, "lease_lost");
    assert_eq!(app.json("/jobs/1").await, before);
    // Nor does an attempt at another job, or one that never was.
    app.queue(git_job("Eve")).await;
    let other = app.leased("agent-2").await;
    let crossed = json!({"job": 1, "attempt": other["attempt"]});
    let never = json!({"job": 2, "attempt": 99});
    for wrong in [crossed, never] {
        let path = of(&wrong, "finish");
        let answer = app.send(Method::POST, &path, &passed()).await;
        answer.problem(409, "lease_lost");
    }
    for path in ["/jobs/x/attempts/1/heartbeat", "/jobs/-1/attempts/1/finish"] {
        let answer = app.send(Method::POST, path, &passed()).await;
        answer.problem(404, "job_not_found");
    }
    let answer = app.send(Method::POST, "/jobs/1/attempts/x/heartbeat", &Value::Null);
    answer.await.problem(400, "invalid_path");
    assert_eq!(app.json("/jobs/2").await["state"], "running");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_word_of_an_agent_is_refused_with_its_field() {
    let app = App::start().await;
    app.queue(git_job("Steve")).await;
    for (body, field) in [
        (json!({}), "agent"),
        (json!({"agent": ""}), "agent"),
        (json!({"agent": "a\u{7}"}), "agent"),
        (json!({"agent": "a", "labels": {"os": 1}}), "labels"),
        (json!({"agent": "a", "wait_s": -1}), "wait_s"),
        (json!({"agent": "a", "slots": "two"}), "slots"),
    ] {
        let answer = app.send(Method::POST, "/agents/lease", &body).await;
        let at_fault = answer.problem(422, "invalid_field");
        assert!(at_fault.starts_with(field), "{field}: {}", answer.text());
    }
    let lease = app.leased("agent-1").await;
    for (call, body, field) in [
        (
            "steps",
            json!({"name": "lunch", "started_at": "2026-11-21T10:00:00Z"}),
            "name",
        ),
        ("steps", json!({"name": "run"}), "started_at"),
        ("finish", json!({}), "ending"),
        ("finish", json!({"ending": "great"}), "ending"),
        ("finish", json!({"ending": "error"}), "error_kind"),
    ] {
        let answer = app.send(Method::POST, &of(&lease, call), &body).await;
        assert_eq!(answer.problem(422, "invalid_field"), field, "{body}");
    }
    let path = of(&lease, "log");
    let answer = app.request(Method::POST, &path, &[], b"x".to_vec()).await;
    assert_eq!(answer.problem(422, "invalid_parameter"), "offset");
    let path = format!("{path}?offset=0");
    let large = vec![b'x'; 1024 * 1024 + 1];
    let answer = app.request(Method::POST, &path, &[], large).await;
    answer.problem(413, "body_too_large");
    let packed = [("content-encoding", "zstd")];
    let answer = app.request(Method::POST, &path, &packed, b"x".to_vec());
    answer.await.problem(415, "unsupported_encoding");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_are_listed_with_what_they_have() {
    let app = App::start().await;
    app.queue(git_job("Steve")).await;
    let asked = json!({"agent": "b", "labels": {"os": "linux"}, "slots": 2, "version": "0.1.0"});
    app.posted("/agents/lease", &asked, 200).await;
    assert_eq!(app.lease("a").await, Value::Null);
    let agents = app.json("/agents").await;
    assert_eq!(agents[0]["name"], "a");
    assert_eq!(agents[0]["jobs"], json!([]));
    let second = &agents[1];
    assert_eq!(second["labels"], json!({"os": "linux"}));
    assert_eq!(second["slots"], 2);
    assert_eq!(second["version"], "0.1.0");
    assert_eq!(second["online"], true);
    assert_eq!(second["jobs"], json!([1]));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_waits_gets_a_job_when_there_is_one() {
    let app = App::start().await;
    let mut times = Vec::new();
    for number in 1..=10 {
        let (client, url) = (app.client.clone(), format!("{}/agents/lease", app.url));
        let waiting = tokio::spawn(async move {
            let body = json!({"agent": "agent-1", "slots": 20, "wait_s": 30});
            let answer = client.post(url).json(&body).send().await.unwrap();
            (
                answer.status(),
                Instant::now(),
                answer.text().await.unwrap(),
            )
        });
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(!waiting.is_finished());
        let queued = Instant::now();
        app.queue(git_job("Steve")).await;
        let (status, came, body) = tokio::time::timeout(PATIENCE, waiting)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(status, 200);
        let lease: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(lease["job"], number);
        times.push(came.saturating_duration_since(queued));
        app.finished(&lease, &passed()).await;
    }
    times.sort_unstable();
    println!("from POST /jobs to the lease: {times:?}");
    assert!(times[5] < Duration::from_secs(1), "{times:?}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_waits_in_vain_is_told_so_after_its_time() {
    let app = App::start().await;
    let begun = Instant::now();
    let answer = app
        .send(
            Method::POST,
            "/agents/lease",
            &json!({"agent": "a", "wait_s": 1}),
        )
        .await;
    assert_eq!(answer.status, 204);
    let waited = begun.elapsed();
    assert!(waited >= Duration::from_millis(900), "{waited:?}");
    assert!(waited < PATIENCE, "{waited:?}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_stops_lets_agents_and_readers_go() {
    let mut app = App::start().await;
    app.queue(git_job("Steve")).await;
    app.leased("agent-1").await;
    let (client, url) = (app.client.clone(), app.url.clone());
    let waiting = tokio::spawn(async move {
        let body = json!({"agent": "agent-2", "wait_s": 30});
        let answer = client.post(format!("{url}/agents/lease")).json(&body);
        answer.send().await.unwrap().status()
    });
    let client = app.client.clone();
    let reading = client
        .get(format!("{}/jobs/1/log?live=true", app.url))
        .send()
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let begun = Instant::now();
    app.begin_to_stop();
    let status = tokio::time::timeout(PATIENCE, waiting)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(status, 204);
    let text = tokio::time::timeout(PATIENCE, reading.text())
        .await
        .unwrap()
        .unwrap();
    assert!(!text.contains("event: end"), "{text}");
    app.stop_begun().await;
    assert!(
        begun.elapsed() < Duration::from_secs(9),
        "{:?}",
        begun.elapsed()
    );
}

/// A connection that asks for a job and can be dropped.
async fn asking(app: &App, agent: &str) -> TcpStream {
    let mut stream = TcpStream::connect(app.address()).await.unwrap();
    let body = json!({"agent": agent, "wait_s": 30}).to_string();
    let head = format!(
        "POST /agents/lease HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_hung_up_while_it_waited_is_handed_nothing() {
    let app = App::start().await;
    for round in 1..=5 {
        let gone = asking(&app, "gone").await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        drop(gone);
        tokio::time::sleep(Duration::from_millis(200)).await;
        app.queue(git_job("Steve")).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let lease = app.leased("agent-1").await;
        assert_eq!(lease["job"], round);
        assert_eq!(lease["number"], 1, "it was handed to who had gone");
        app.finished(&lease, &passed()).await;
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_not_lost_with_an_agent_that_hangs_up_at_the_same_moment() {
    let app = App::start().await;
    let mut waiting = 0;
    for round in 1..=20 {
        let gone = asking(&app, "gone").await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        let queueing = app.queue(git_job("Steve"));
        let leaving = async {
            tokio::time::sleep(Duration::from_millis(round % 10)).await;
            drop(gone);
        };
        let (job, ()) = tokio::join!(queueing, leaving);
        tokio::time::sleep(Duration::from_millis(200)).await;
        let lease = app.lease("agent-1").await;
        if lease.is_object() {
            assert_eq!(lease["job"], job["id"]);
            app.finished(&lease, &passed()).await;
        } else {
            // Its answer was sent before the agent left: it waits for the end of the lease.
            let job = app.json(&format!("/jobs/{}", job["id"])).await;
            assert_eq!(
                (&job["state"], &job["agent"]),
                (&json!("running"), &json!("gone"))
            );
            waiting += 1;
        }
    }
    println!("{waiting} of 20 wait for the end of a lease");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_agent_is_silent_is_queued_again() {
    let app = App::start_with(|config| config.lease = Duration::from_secs(1)).await;
    app.queue(git_job("Steve")).await;
    let lost = app.leased("agent-1").await;
    assert_eq!(lost["lease_s"], 1);
    let deadline = Instant::now() + PATIENCE;
    let again = loop {
        assert!(Instant::now() < deadline, "{}", app.json("/jobs/1").await);
        let lease = app.lease("agent-2").await;
        if lease.is_object() {
            break lease;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(again["number"], 2);
    assert_ne!(again["attempt"], lost["attempt"]);
    assert_ne!(again["run_id"], lost["run_id"]);
    let answer = app
        .send(Method::POST, &of(&lost, "finish"), &passed())
        .await;
    answer.problem(409, "lease_lost");
    let job = app.json("/jobs/1").await;
    assert_eq!(job["attempts"][0]["ending"], "lost");
    app.stop().await;
}

/// Reads until the head of the answer is there.
async fn head(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    let mut byte = [0];
    while !read.ends_with(b"\r\n\r\n") {
        let count = tokio::time::timeout(PATIENCE, stream.read(&mut byte)).await;
        assert_eq!(count.unwrap().unwrap(), 1);
        read.push(byte[0]);
    }
    String::from_utf8(read).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_with_a_lease_is_kept_by_nobody() {
    let app = App::start().await;
    app.queue(git_job("Steve")).await;
    let mut stream = asking(&app, "agent-1").await;
    let head = head(&mut stream).await.to_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(head.contains("cache-control: no-store"), "{head}");
    assert!(head.contains("content-length: "), "{head}");
    app.stop().await;
}
