//! The end: what was accepted is answered and kept.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::app::{App, run_with_cases, sqlite_url};

#[tokio::test(flavor = "multi_thread")]
async fn a_report_in_flight_is_answered_and_kept() {
    let mut app = App::start().await;
    let body = run_with_cases("late", &["passed", "failed"]).to_string();
    let (first, second) = body.split_at(body.len() / 2);
    let mut stream = TcpStream::connect(app.address()).await.unwrap();
    let head = format!(
        "POST /results HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(first.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let address = app.address().to_owned();
    app.begin_to_stop();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(
        TcpStream::connect(&address).await.is_err(),
        "a new connection was accepted"
    );
    stream.write_all(second.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let folder = app.stop_begun().await;
    let url = sqlite_url(folder.path());
    let again = App::start_with(|config| config.database_url = url).await;
    assert_eq!(again.json("/results/late").await["failed"], 1);
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_do_not_hold_up_the_end() {
    let app = App::start().await;
    let _idle = TcpStream::connect(app.address()).await.unwrap();
    let _used = app.json("/health").await;
    let started = std::time::Instant::now();
    app.stop().await;
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
}
