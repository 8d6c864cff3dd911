//! `POST /archives`: what jobs can be made of.

use std::io::{Read, Write};

use reqwest::Method;
use serde_json::json;
use shared::limits::ARCHIVE_BYTES_MAX;

use crate::app::{Answer, App};
use crate::job_calls::{git_job, passed};

/// A tar.gz with one test.
pub(crate) fn tar_gz(content: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    builder
        .append_data(&mut header, "test_a.py", content)
        .unwrap();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&builder.into_inner().unwrap()).unwrap();
    encoder.finish().unwrap()
}

pub(crate) async fn upload(app: &App, content: &[u8]) -> Answer {
    let headers = [("content-type", "application/octet-stream")];
    app.request(Method::POST, "/archives", &headers, content.to_vec())
        .await
}

#[tokio::test]
async fn an_archive_is_named_by_its_content() {
    let app = App::start().await;
    let archive = tar_gz(b"def test_a(): pass\n");
    for _ in 0..2 {
        let answer = upload(&app, &archive).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let hash = blake3::hash(&archive).to_hex().to_string();
        assert_eq!(
            answer.json(),
            json!({"archive": hash, "bytes": archive.len(), "format": "tar.gz"})
        );
    }
    app.stop().await;
}

#[tokio::test]
async fn what_is_no_archive_is_refused() {
    let app = App::start().await;
    for body in [
        &b"def test_a(): pass"[..],
        b"PK\x03\x04 cut",
        b"\x1f\x8b nonsense",
    ] {
        let answer = upload(&app, body).await;
        assert_eq!(answer.problem(422, "invalid_field"), "body");
    }
    let large = vec![0; ARCHIVE_BYTES_MAX + 1];
    upload(&app, &large).await.problem(413, "body_too_large");
    let packed = [
        ("content-type", "application/octet-stream"),
        ("content-encoding", "gzip"),
    ];
    let answer = app
        .request(Method::POST, "/archives", &packed, tar_gz(b""))
        .await;
    answer.problem(415, "unsupported_encoding");
    app.stop().await;
}

#[tokio::test]
async fn the_agent_that_has_a_job_gets_its_archive_as_it_was_uploaded() {
    let app = App::start().await;
    let archive = tar_gz(&vec![b'#'; 3_000_000]);
    let hash = upload(&app, &archive).await.json()["archive"].clone();
    let source = json!({"type": "archive", "archive": hash});
    app.queue(json!({"username": "Steve", "source": source}))
        .await;
    let lease = app.leased("agent-1").await;
    assert_eq!(lease["source"], source);
    let path = format!(
        "/jobs/{}/attempts/{}/source",
        lease["job"], lease["attempt"]
    );
    let packed = [("accept-encoding", "gzip, zstd")];
    let answer = app.get_with(&path, &packed).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.bytes == archive);
    assert_eq!(answer.header("content-type"), "application/gzip");
    assert_eq!(answer.header("content-encoding"), "");
    assert_eq!(answer.header("content-length"), archive.len().to_string());
    assert_eq!(json!(answer.header("x-content-blake3")), hash);
    let other = format!("/jobs/{}/attempts/{}/source", lease["job"], 999);
    assert!(app.get(&other).await.status.is_client_error());
    app.finished(&lease, &passed()).await;
    app.get(&path).await.problem(409, "lease_lost");
    app.stop().await;
}

#[tokio::test]
async fn the_agent_that_has_a_job_gets_the_library_as_it_was_when_the_job_was_queued() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test_a.py");
    std::fs::write(&file, "before").unwrap();
    let library = folder.path().to_owned();
    let app = App::start_with(|config| config.tests_dir = Some(library)).await;
    let source = json!({"type": "library", "files": ["test_a.py"]});
    let job = app
        .queue(json!({"username": "Steve", "source": source}))
        .await;
    let snapshot = job["source"]["snapshot"].as_str().unwrap().to_owned();
    std::fs::remove_file(&file).unwrap();
    let lease = app.leased("agent-1").await;
    let path = format!(
        "/jobs/{}/attempts/{}/source",
        lease["job"], lease["attempt"]
    );
    let answer = app.get(&path).await;
    assert_eq!(answer.header("content-type"), "application/zstd");
    assert_eq!(blake3::hash(&answer.bytes).to_hex().as_str(), snapshot);
    let mut archive = tar::Archive::new(zstd::Decoder::new(&*answer.bytes).unwrap());
    let mut entries = archive.entries().unwrap();
    let mut entry = entries.next().unwrap().unwrap();
    assert_eq!(entry.path().unwrap().to_str(), Some("test_a.py"));
    let mut content = String::new();
    entry.read_to_string(&mut content).unwrap();
    assert_eq!(content, "before");
    assert!(entries.next().is_none());
    app.stop().await;
}

#[tokio::test]
async fn a_job_of_a_git_repository_has_no_files_here() {
    let app = App::start().await;
    app.queue(git_job("Steve")).await;
    let lease = app.leased("agent-1").await;
    let path = format!(
        "/jobs/{}/attempts/{}/source",
        lease["job"], lease["attempt"]
    );
    app.get(&path).await.problem(404, "no_source");
    app.stop().await;
}
