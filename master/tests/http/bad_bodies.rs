//! Bodies that must be refused: right status, field named, nothing stored, everything healthy.

use std::io::Write;

use serde_json::{Value, json};
use shared::limits::{BODY_BYTES_MAX, RUN_CASES_MAX};

use crate::app::App;

const RUN: &str = r#""run_id": "r", "worker_id": "w""#;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_json_is_a_400() {
    let app = App::start().await;
    for body in [
        b"{".to_vec(),
        b"not json".to_vec(),
        format!("{{{RUN}}} trailing").into_bytes(),
        [
            b"{\"run_id\": \"\xff\", ".as_slice(),
            b"\"worker_id\": \"w\"}",
        ]
        .concat(),
    ] {
        let text = String::from_utf8_lossy(&body).into_owned();
        let answer = app.post_bytes(body, &[]).await;
        assert_eq!(answer.status, 400, "{text}");
        answer.problem(400, "invalid_json");
    }
    app.is_empty_and_healthy().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_that_breaks_a_rule_is_a_422_that_names_the_field() {
    let app = App::start().await;
    let case = |fields: &str| {
        format!(r#""cases": [{{"nodeid": "a", "outcome": "passed"}}, {{{fields}}}]"#)
    };
    for (rest, field) in [
        (r#""passed": -1"#.to_owned(), "passed"),
        (r#""total": 1.5"#.to_owned(), "total"),
        (r#""failed": "three""#.to_owned(), "failed"),
        (r#""duration": -0.1"#.to_owned(), "duration"),
        (r#""duration": 1e999"#.to_owned(), "duration"),
        (r#""duration": NaN"#.to_owned(), "duration"),
        (r#""pass_rate": -Infinity"#.to_owned(), "pass_rate"),
        (
            case(r#""nodeid": "b", "outcome": "passed", "setup": NaN"#),
            "cases[1].setup",
        ),
        (r#""pass_rate": 101"#.to_owned(), "pass_rate"),
        (r#""timestamp": "yesterday""#.to_owned(), "timestamp"),
        (
            r#""timestamp": "1969-12-31T23:59:59""#.to_owned(),
            "timestamp",
        ),
        (
            r#""timestamp": "+12345-01-01T00:00:00Z""#.to_owned(),
            "timestamp",
        ),
        (r#""started_at": 5"#.to_owned(), "started_at"),
        (r#""status": "running""#.to_owned(), "status"),
        (r#""status": "green""#.to_owned(), "status"),
        (r#""run_id": "again""#.to_owned(), "run_id"),
        (
            case(r#""nodeid": "b", "outcome": "green""#),
            "cases[1].outcome",
        ),
        (
            case(r#""nodeid": "b", "outcome": "rerun""#),
            "cases[1].outcome",
        ),
        (case(r#""nodeid": "b""#), "cases[1].outcome"),
        (
            case(r#""nodeid": "", "outcome": "passed""#),
            "cases[1].nodeid",
        ),
        (
            case(r#""nodeid": "a\u0000b", "outcome": "passed""#),
            "cases[1].nodeid",
        ),
        (
            case(r#""nodeid": "b", "outcome": "passed", "call": -1"#),
            "cases[1].call",
        ),
        (
            case(r#""nodeid": "b", "outcome": "passed", "started_at": "1900-01-01""#),
            "cases[1].started_at",
        ),
        (
            r#""failures": [{"message": "m"}]"#.to_owned(),
            "failures[0].nodeid",
        ),
    ] {
        let answer = app
            .post_bytes(format!("{{{RUN}, {rest}}}").into_bytes(), &[])
            .await;
        assert_eq!(answer.problem(422, "invalid_field"), field, "{rest}");
    }
    app.is_empty_and_healthy().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_every_run_needs_is_asked_for_by_name() {
    let app = App::start().await;
    for (body, field) in [
        (json!({"worker_id": "w"}), "run_id"),
        (json!({"run_id": "r"}), "worker_id"),
        (json!({"run_id": "", "worker_id": "w"}), "run_id"),
        (
            json!({"run_id": "x".repeat(201), "worker_id": "w"}),
            "run_id",
        ),
        (json!({"run_id": "a\nb", "worker_id": "w"}), "run_id"),
        (json!([]), ""),
        (Value::Null, ""),
    ] {
        assert_eq!(
            app.post(&body).await.problem(422, "invalid_field"),
            field,
            "{body}"
        );
    }
    app.is_empty_and_healthy().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nesting_is_bounded_even_where_nobody_looks() {
    let app = App::start().await;
    let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
    for body in [open.clone(), format!("{{{RUN}, \"extra\": {open}{close}}}")] {
        app.post_bytes(body.into_bytes(), &[])
            .await
            .problem(422, "invalid_field");
    }
    app.is_empty_and_healthy().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_refused_announced_or_not() {
    let app = App::start().await;
    let large = vec![b' '; BODY_BYTES_MAX + 1];
    app.post_bytes(large.clone(), &[])
        .await
        .problem(413, "body_too_large");
    let parts = large
        .chunks(1 << 20)
        .map(|part| Ok::<_, std::io::Error>(part.to_vec()))
        .collect::<Vec<_>>();
    let response = app
        .client
        .post(format!("{}/results", app.url))
        .header("content-type", "application/json")
        .body(reqwest::Body::wrap_stream(futures_util::stream::iter(
            parts,
        )))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 413);
    app.is_empty_and_healthy().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_is_refused_and_costs_no_more_memory_than_the_largest_body() {
    let app = App::start().await;
    let expanded = vec![b' '; 8 * BODY_BYTES_MAX];
    let bombs = [
        ("gzip", gzip(&expanded)),
        ("zstd", zstd::encode_all(&expanded[..], 3).unwrap()),
    ];
    drop(expanded);
    let before = memory_bytes();
    for (packing, bomb) in bombs {
        assert!(bomb.len() < BODY_BYTES_MAX / 16);
        for _ in 0..3 {
            let answer = app
                .post_bytes(bomb.clone(), &[("content-encoding", packing)])
                .await;
            answer.problem(413, "body_too_large");
        }
    }
    let grown = memory_bytes().saturating_sub(before);
    assert!(grown < 4 * BODY_BYTES_MAX, "memory grew by {grown} bytes");
    app.is_empty_and_healthy().await;
    app.stop().await;
}

/// Memory of this process, where the server of the test runs too.
fn memory_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<usize>()
        .unwrap()
        * 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn more_cases_than_the_limit_are_refused() {
    let app = App::start().await;
    let case = r#"{"nodeid":"a","outcome":"passed"},"#.repeat(RUN_CASES_MAX + 1);
    let body = format!("{{{RUN}, \"cases\": [{}]}}", case.trim_end_matches(','));
    let answer = app
        .post_bytes(gzip(body.as_bytes()), &[("content-encoding", "gzip")])
        .await;
    assert_eq!(answer.problem(422, "invalid_field"), "cases");
    app.is_empty_and_healthy().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_content_type_is_a_415_that_names_the_way_out() {
    let app = App::start().await;
    let body = format!("{{{RUN}}}").into_bytes();
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
        "",
    ] {
        let answer = app
            .post_bytes(body.clone(), &[("content-type", kind)])
            .await;
        answer.problem(415, "unsupported_media_type");
        assert!(
            answer.text().contains("Content-Type: application/json"),
            "{}",
            answer.text()
        );
    }
    for packing in ["br", "gzip, gzip", "deflate"] {
        let answer = app
            .post_bytes(body.clone(), &[("content-encoding", packing)])
            .await;
        answer.problem(415, "unsupported_encoding");
        assert!(answer.header("accept-encoding").contains("zstd"));
    }
    app.is_empty_and_healthy().await;
    for kind in ["application/json; charset=utf-8", "Application/JSON"] {
        let answer = app
            .post_bytes(body.clone(), &[("content-type", kind)])
            .await;
        assert!(answer.status.is_success(), "{kind}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_packed_as_it_says_is_a_400() {
    let app = App::start().await;
    let body = format!("{{{RUN}}}").into_bytes();
    let mut cut = gzip(&body);
    cut.truncate(cut.len() - 4);
    for (packing, bytes) in [
        ("gzip", body.clone()),
        ("zstd", body.clone()),
        ("gzip", cut),
    ] {
        let answer = app
            .post_bytes(bytes, &[("content-encoding", packing)])
            .await;
        answer.problem(400, "invalid_encoding");
    }
    app.is_empty_and_healthy().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_body_leaves_the_connection_usable() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let app = App::start().await;
    let mut stream = tokio::net::TcpStream::connect(app.address()).await.unwrap();
    let body = "x".repeat(3_000_000);
    let refused = format!(
        "POST /results HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let next = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(refused.as_bytes()).await.unwrap();
    stream.write_all(next.as_bytes()).await.unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).await.unwrap();
    assert!(answers.starts_with("HTTP/1.1 415"), "{answers}");
    assert!(answers.contains("HTTP/1.1 200"), "{answers}");
    app.stop().await;
}
