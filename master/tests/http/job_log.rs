//! `GET /jobs/{job}/log`: whole, in part, and as it grows.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::App;
use crate::job_calls::{git_job, passed};
use crate::listening::Listening;

/// A job that runs.
async fn running(app: &App) -> Value {
    app.queue(git_job("Steve")).await;
    app.leased("agent-1").await
}

/// Data of the next event `log`: its offset and its text, and the event's id.
async fn next(listening: &mut Listening) -> (u64, String, u64) {
    let told = listening.event().await;
    assert_eq!(told.name, "log", "{told:?}");
    let data = told.run();
    let text = data["text"].as_str().unwrap().to_owned();
    (data["from"].as_u64().unwrap(), text, told.id.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_read_whole_from_an_offset_and_from_its_end() {
    let app = App::start().await;
    let lease = running(&app).await;
    let empty = app.get("/jobs/1/log").await;
    assert_eq!((empty.status.as_u16(), empty.text().as_str()), (200, ""));
    assert_eq!(empty.header("x-log-bytes"), "0");
    app.logged(&lease, 0, b"first\n").await;
    app.logged(&lease, 6, "zweite Zeile \u{20ac}\n".as_bytes())
        .await;
    let whole = app.get("/jobs/1/log").await;
    assert_eq!(whole.text(), "first\nzweite Zeile \u{20ac}\n");
    assert_eq!(whole.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(whole.header("x-content-type-options"), "nosniff");
    assert_eq!(whole.header("x-log-bytes"), "23");
    assert_eq!(app.json("/jobs/1").await["log_bytes"], 23);
    for (query, expected) in [
        ("from=6", "zweite Zeile \u{20ac}\n"),
        ("from=0", "first\nzweite Zeile \u{20ac}\n"),
        ("from=23", ""),
        ("from=1000", ""),
        ("tail=4", "\u{20ac}\n"),
        // The middle of a character is no place to begin.
        ("tail=3", "\n"),
        ("tail=0", ""),
        ("tail=1000", "first\nzweite Zeile \u{20ac}\n"),
        ("live=false", "first\nzweite Zeile \u{20ac}\n"),
    ] {
        let answer = app.get(&format!("/jobs/1/log?{query}")).await;
        assert_eq!(answer.text(), expected, "{query}");
        assert_eq!(answer.header("x-log-bytes"), "23", "{query}");
    }
    for (query, field) in [
        ("from=-1", "from"),
        ("from=x", "from"),
        ("tail=1.5", "tail"),
        ("from=1&tail=1", "tail"),
        ("live=perhaps", "live"),
    ] {
        let answer = app.get(&format!("/jobs/1/log?{query}")).await;
        assert_eq!(answer.problem(422, "invalid_parameter"), field, "{query}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pieces_are_kept_once_and_in_order() {
    let app = App::start().await;
    let lease = running(&app).await;
    app.logged(&lease, 0, b"one ").await;
    // The answer got lost.
    app.logged(&lease, 0, b"one ").await;
    // So did that to a piece which has grown since.
    app.logged(&lease, 0, b"one two ").await;
    let gap = app.log(&lease, 20, b"three").await;
    gap.problem(409, "log_gap");
    assert_eq!(gap.header("x-log-bytes"), "8");
    app.logged(&lease, 8, b"three").await;
    assert_eq!(app.get("/jobs/1/log").await.text(), "one two three");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_log_comes_whole_packed_or_not() {
    let app = App::start().await;
    let lease = running(&app).await;
    let piece: Vec<u8> = (0..100_000)
        .flat_map(|number| format!("{number:08}\n").into_bytes())
        .collect();
    for number in 0..3 {
        app.logged(&lease, number * piece.len(), &piece).await;
    }
    let expected = piece.repeat(3);
    let whole = app.get("/jobs/1/log").await;
    assert_eq!(whole.header("x-log-bytes"), expected.len().to_string());
    assert!(whole.bytes == expected);
    let packed = app
        .get_with("/jobs/1/log", &[("accept-encoding", "zstd")])
        .await;
    assert_eq!(packed.header("content-encoding"), "zstd");
    assert!(zstd::decode_all(&packed.bytes[..]).unwrap() == expected);
    let mut listening = Listening::to(&app, "/jobs/1/log?live=true").await;
    app.finished(&lease, &passed()).await;
    let mut read = String::new();
    loop {
        let told = listening.event().await;
        if told.name == "end" {
            break;
        }
        let data = told.run();
        assert_eq!(data["from"], read.len());
        read += data["text"].as_str().unwrap();
        assert_eq!(told.id, Some(read.len() as u64));
    }
    assert!(read.as_bytes().starts_with(&expected), "{}", read.len());
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_told_live_until_the_job_is_over() {
    let app = App::start().await;
    let lease = running(&app).await;
    app.logged(&lease, 0, b"before\n").await;
    let accept = [("accept", "text/event-stream")];
    let mut listening = Listening::with(&app, "/jobs/1/log", &accept).await;
    let headers = listening.response_headers.clone();
    assert_eq!(headers["content-type"], "text/event-stream");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert!(
        headers["cache-control"]
            .to_str()
            .unwrap()
            .contains("no-store")
    );
    assert_eq!(next(&mut listening).await, (0, "before\n".into(), 7));
    app.logged(&lease, 7, b"a\r\nb\x1b[0m<script>\n").await;
    assert_eq!(
        next(&mut listening).await,
        (7, "a\r\nb\u{1b}[0m<script>\n".into(), 24)
    );
    app.finished(&lease, &passed()).await;
    let end = listening.event().await;
    assert_eq!((end.name.as_str(), end.id), ("end", Some(24)));
    assert_eq!(end.run(), json!({"bytes": 24, "state": "passed"}));
    assert_eq!(listening.part().await, None);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_back_misses_nothing_and_gets_nothing_twice() {
    let app = App::start().await;
    let lease = running(&app).await;
    app.logged(&lease, 0, b"one\n").await;
    let mut listening = Listening::to(&app, "/jobs/1/log?live=true").await;
    let (_, _, id) = next(&mut listening).await;
    drop(listening);
    app.logged(&lease, 4, b"two\n").await;
    let id = id.to_string();
    let back = [("last-event-id", id.as_str())];
    let mut listening = Listening::with(&app, "/jobs/1/log?live=true&tail=1", &back).await;
    assert_eq!(next(&mut listening).await, (4, "two\n".into(), 8));
    app.logged(&lease, 8, b"three\n").await;
    assert_eq!(next(&mut listening).await, (8, "three\n".into(), 14));
    app.finished(&lease, &passed()).await;
    assert_eq!(listening.event().await.name, "end");
    // One who comes back too late hears the end again.
    let back = [("last-event-id", "14")];
    let mut listening = Listening::with(&app, "/jobs/1/log?live=true", &back).await;
    assert_eq!(listening.event().await.name, "end");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_character_that_is_cut_between_pieces_is_told_whole() {
    let app = App::start().await;
    let lease = running(&app).await;
    let mut listening = Listening::to(&app, "/jobs/1/log?live=true").await;
    let euro = "\u{20ac}".as_bytes();
    app.logged(&lease, 0, &[b"a", &euro[..2]].concat()).await;
    assert_eq!(next(&mut listening).await, (0, "a".into(), 1));
    app.logged(&lease, 3, &[&euro[2..], b"b"].concat()).await;
    assert_eq!(next(&mut listening).await, (1, "\u{20ac}b".into(), 5));
    // What is no text at all is shown as such, and counted as it is.
    app.logged(&lease, 5, b"\xff\xfec\xe2\x82").await;
    assert_eq!(
        next(&mut listening).await,
        (5, "\u{fffd}\u{fffd}c".into(), 8)
    );
    app.finished(&lease, &passed()).await;
    assert_eq!(next(&mut listening).await, (8, "\u{fffd}".into(), 10));
    assert_eq!(listening.event().await.name, "end");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_reaches_a_reader_at_once() {
    let app = App::start().await;
    let lease = running(&app).await;
    let mut listening = Listening::to(&app, "/jobs/1/log?live=true").await;
    let mut times = Vec::new();
    let mut offset = 0;
    for number in 0..20 {
        let line = format!("line {number}\n");
        let sent = Instant::now();
        app.logged(&lease, offset, line.as_bytes()).await;
        let (_, text, _) = next(&mut listening).await;
        times.push(sent.elapsed());
        assert_eq!(text, line);
        offset += line.len();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    times.sort_unstable();
    println!("from the agent's call to the reader: {times:?}");
    assert!(times[10] < Duration::from_millis(500), "{times:?}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_log_shows_that_it_lives_and_one_that_waits_is_heard_of() {
    let app =
        App::start_with(|config| config.timeouts.heartbeat = Duration::from_millis(100)).await;
    app.queue(git_job("Steve")).await;
    let mut listening = Listening::to(&app, "/jobs/1/log?live=true").await;
    for _ in 0..3 {
        assert_eq!(listening.part().await.unwrap().comment, "still here");
    }
    let lease = app.leased("agent-1").await;
    app.logged(&lease, 0, b"begun\n").await;
    assert_eq!(next(&mut listening).await.1, "begun\n");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_hears_of_the_end_of_a_job_that_never_ran_or_is_gone() {
    let app = App::start().await;
    app.queue(git_job("Steve")).await;
    let mut listening = Listening::to(&app, "/jobs/1/log?live=true").await;
    app.posted("/jobs/1/cancel", &Value::Null, 200).await;
    let end = listening.event().await;
    assert_eq!(end.run(), json!({"bytes": 0, "state": "cancelled"}));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_reader_too_many_is_told_to_come_again() {
    let app = App::start().await;
    running(&app).await;
    let mut listening = Vec::new();
    for _ in 0..200 {
        listening.push(Listening::to(&app, "/jobs/1/log?live=true").await);
    }
    let answer = app.get("/jobs/1/log?live=true").await;
    answer.problem(503, "busy");
    assert_eq!(answer.header("retry-after"), "5");
    // Readers of what is there are not bounded by them.
    assert_eq!(app.get("/jobs/1/log").await.status, 200);
    let head = app
        .request(Method::HEAD, "/jobs/1/log", &[], Vec::new())
        .await;
    assert_eq!(head.status, 200);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_attempts_of_a_job_are_one_log() {
    let app = App::start().await;
    let lease = running(&app).await;
    app.logged(&lease, 0, b"first try\n").await;
    app.finished(&lease, &json!({"ending": "released"})).await;
    let again = app.leased("agent-2").await;
    app.logged(&again, 0, b"second try\n").await;
    app.finished(&again, &passed()).await;
    let log = app.get("/jobs/1/log").await.text();
    let first = log.find("first try\n").unwrap();
    let second = log.find("second try\n").unwrap();
    assert!(first < second, "{log}");
    assert!(log[first..second].contains("agent-2"), "{log}");
    app.stop().await;
}
