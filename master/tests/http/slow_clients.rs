//! Clients that dawdle lose their connection, nobody else does.

use std::time::{Duration, Instant};

use master::config::Timeouts;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::app::App;

async fn impatient() -> App {
    let short = Duration::from_millis(300);
    App::start_with(|config| {
        config.timeouts = Timeouts {
            head: short,
            body_pause: short,
            body: Duration::from_secs(1),
            ..Timeouts::default()
        };
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unfinished_head_is_given_up() {
    let app = impatient().await;
    let mut stream = TcpStream::connect(app.address()).await.unwrap();
    stream
        .write_all(b"GET /health HTTP/1.1\r\nHost: loc")
        .await
        .unwrap();
    let started = Instant::now();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(started.elapsed() < Duration::from_secs(5));
    app.is_empty_and_healthy().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stops_coming_is_a_408() {
    let app = impatient().await;
    let mut stream = TcpStream::connect(app.address()).await.unwrap();
    let head = "POST /results HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read =
        tokio::time::timeout(Duration::from_secs(5), stream.read_to_string(&mut answer)).await;
    assert!(read.is_ok(), "the connection stayed open");
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("body_too_slow"), "{answer}");
    app.is_empty_and_healthy().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_drips_is_given_up_too() {
    let app = impatient().await;
    let mut stream = TcpStream::connect(app.address()).await.unwrap();
    let head = "POST /results HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let started = Instant::now();
    while stream.write_all(b" ").await.is_ok() && started.elapsed() < Duration::from_secs(8) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    app.is_empty_and_healthy().await;
    app.stop().await;
}
