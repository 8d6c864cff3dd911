//! `POST /archives`: what jobs can be made of.

use std::io::Write;

use reqwest::Method;
use serde_json::json;
use shared::limits::ARCHIVE_BYTES_MAX;

use crate::app::{Answer, App};

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
    let form = [("content-type", "text/plain")];
    let answer = app
        .request(Method::POST, "/archives", &form, tar_gz(b""))
        .await;
    answer.problem(415, "unsupported_media_type");
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
