//! Nonsense of every sort: never a 5xx, always a problem, always healthy afterwards.

use serde_json::Value;

use crate::app::App;
use crate::job_calls::git_job;

/// A small generator of numbers: the same nonsense in every run of the test.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

const PIECES: [&[u8]; 16] = [
    b"\"", b"{", b"}", b"[", b"]", b",", b":", b"\\", b"null", b"-1", b"1e400", b"\\ud800",
    b"\xff", b"\\u0000", b"", b"NaN",
];

fn damaged(body: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut body = body.to_vec();
    for _ in 0..=numbers.below(3) {
        let start = numbers.below(body.len());
        let end = (start + numbers.below(6)).min(body.len());
        body.splice(
            start..end,
            PIECES[numbers.below(PIECES.len())].iter().copied(),
        );
    }
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_bodies_are_refused_or_understood() {
    let app = App::start().await;
    let whole = include_bytes!("fixtures/run.v1.json");
    let mut numbers = Numbers(7);
    let mut refused = 0;
    for _ in 0..500 {
        let body = damaged(whole, &mut numbers);
        let text = String::from_utf8_lossy(&body).into_owned();
        let answer = app.post_bytes(body, &[]).await;
        assert!(answer.status.as_u16() < 500, "{}\n{text}", answer.text());
        if !answer.status.is_success() {
            refused += 1;
            let code = answer.json()["code"].as_str().unwrap().to_owned();
            answer.problem(answer.status.as_u16(), &code);
        }
    }
    assert!(refused > 200, "only {refused} of 500 were refused");
    assert_eq!(app.get("/health").await.status, 200);
    app.stop().await;
}

/// A path of the document with a value for its last parameter; the others are 1.
fn filled(path: &str, value: &str) -> String {
    let (before, last) = path.rsplit_once('{').unwrap_or((path, ""));
    let (_, after) = last.split_once('}').unwrap_or_default();
    let value = if last.is_empty() { "" } else { value };
    let before = before.replace("{job}", "1");
    format!("{before}{value}{after}")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_parameter_of_the_document_takes_nonsense_calmly() {
    let app = App::start().await;
    let run = include_str!("fixtures/run.v1.json");
    assert_eq!(app.post_bytes(run.into(), &[]).await.status, 201);
    app.queue(git_job("Steve")).await;
    let document = app.json("/openapi.json").await;
    let long = "x".repeat(40_000);
    let values = [
        "",
        "0",
        "-1",
        "%00",
        "%ff",
        "%F0%9F%98%80",
        "'",
        "%25",
        "_",
        "1e3",
        "%E2%80%AE",
        "a%0Ab",
        &long,
    ];
    for (path, operations) in document["paths"].as_object().unwrap() {
        let parameters = operations["get"]["parameters"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let in_query = |parameter: &&Value| parameter["in"] == "query";
        for parameter in parameters.iter().filter(in_query) {
            let name = parameter["name"].as_str().unwrap();
            let path = filled(path, "1").replace("/results/1", "/results/golden-1");
            for value in values {
                if path == "/events" {
                    // Its answer has no end.
                    let url = format!("{}{path}?{name}={value}", app.url);
                    let status = app.client.get(url).send().await.unwrap().status();
                    assert!(status.as_u16() < 500, "{path}?{name}={value}: {status}");
                    continue;
                }
                let answer = app.get(&format!("{path}?{name}={value}")).await;
                assert!(
                    answer.status.as_u16() < 500,
                    "{path}?{name}={value}: {}",
                    answer.text()
                );
                // A log is text.
                if !path.ends_with("/log") || !answer.status.is_success() {
                    let json = answer.json();
                    let is_page = json["objects"].is_array();
                    assert!(json.is_array() || is_page || json["code"].is_string());
                }
            }
        }
        if !path.contains('{') || operations["get"].is_null() {
            continue;
        }
        for value in values.iter().filter(|value| !value.is_empty()) {
            let answer = app.get(&filled(path, value)).await;
            assert!(
                answer.status.as_u16() < 500,
                "{path} {value}: {}",
                answer.text()
            );
        }
    }
    app.stop().await;
}
