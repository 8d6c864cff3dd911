//! Packed bodies, both ways.

use std::io::{Read, Write};

use crate::app::{App, run_with_cases};

#[tokio::test(flavor = "multi_thread")]
async fn packed_reports_are_taken() {
    let app = App::start().await;
    let plain = |run_id: &str| {
        run_with_cases(run_id, &["passed"; 500])
            .to_string()
            .into_bytes()
    };
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain("gzip")).unwrap();
    let bodies = [
        ("gzip", gzip.finish().unwrap()),
        ("zstd", zstd::encode_all(&plain("zstd")[..], 3).unwrap()),
        ("identity", plain("identity")),
    ];
    for (packing, body) in bodies {
        let answer = app.post_bytes(body, &[("content-encoding", packing)]).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        assert_eq!(
            app.json(&format!("/results/{packing}")).await["passed"],
            500
        );
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_answers_are_packed_for_those_who_ask() {
    let app = App::start().await;
    app.save(run_with_cases("r", &["passed"; 100])).await;
    let path = "/results/r/cases";
    let plain = app.get(path).await;
    assert_eq!(plain.header("content-encoding"), "");
    let gzip = app.get_with(path, &[("accept-encoding", "gzip")]).await;
    assert_eq!(gzip.header("content-encoding"), "gzip");
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&gzip.bytes[..])
        .read_to_end(&mut unpacked)
        .unwrap();
    assert_eq!(unpacked, plain.bytes);
    let zstd = app.get_with(path, &[("accept-encoding", "zstd")]).await;
    assert_eq!(zstd.header("content-encoding"), "zstd");
    assert_eq!(zstd::decode_all(&zstd.bytes[..]).unwrap(), plain.bytes);
    assert!(zstd.bytes.len() * 4 < plain.bytes.len());
    assert_eq!(zstd.header("etag"), plain.header("etag"));
    let short = app
        .get_with("/health", &[("accept-encoding", "gzip")])
        .await;
    assert_eq!(short.header("content-encoding"), "");
    app.stop().await;
}
