//! A master that knows one run by heart, on a port of its own, over plain sockets.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use serde_json::{Value, json};

/// Answers `GET path?query` with the JSON stored under the longest matching key.
pub(crate) struct FakeMaster {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl FakeMaster {
    /// A master that answers these targets and 404 for everything else.
    pub(crate) fn start(answers: Vec<(&str, Value)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let answers: HashMap<String, Value> = answers
            .into_iter()
            .map(|(target, answer)| (target.to_owned(), answer))
            .collect();
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                // A client that hangs up in the middle is no failure of the master.
                let _ = stream.and_then(|stream| answer_one(stream, &answers));
            }
        });
        Self {
            address,
            stop,
            thread: Some(thread),
        }
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for FakeMaster {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn answer_one(mut stream: TcpStream, answers: &HashMap<String, Value>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? == 0 || header == "\r\n" {
            break;
        }
    }
    let target = first.split(' ').nth(1).unwrap_or_default();
    let found = answers
        .get(target)
        .or_else(|| answers.get(target.split('?').next().unwrap_or_default()));
    let (status, body) = match found {
        Some(answer) => ("200 OK", answer.clone()),
        None => (
            "404 Not Found",
            json!({"detail": format!("nothing at {target}")}),
        ),
    };
    let body = body.to_string();
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    )
}

/// A failed run as the master answers it, with `failed` failures.
pub(crate) fn run(failed: u64) -> Value {
    let failures: Vec<Value> = (0..failed)
        .map(|number| {
            json!({
                "nodeid": format!("tests/test_cart.py::TestCart::test_total[{number}]"),
                "duration": 0.25,
                "message": format!("AssertionError: assert {number} == -1\u{1b}[31m"),
            })
        })
        .collect();
    let mut run: Value = serde_json::from_str(include_str!("run.json")).unwrap();
    run["failures"] = json!(failures);
    run["failed"] = json!(failed);
    run["total"] = json!(failed + 37);
    run["reported"] = json!(failed + 37);
    run["collected"] = json!(failed + 37);
    run
}

/// The first failing case of [`run`] in full.
pub(crate) fn case() -> Value {
    let mut case: Value = serde_json::from_str(include_str!("case.json")).unwrap();
    case["failures"][0]["traceback"] = json!(
        "    def test_total(self):\n        cart = Cart([1299])\n>       assert cart.total() == -1\n\
         E       assert 0 == -1\nE        +  where 0 = total()\n\ntests/test_cart.py:8: AssertionError"
    );
    case
}

/// A master with one project, `shop`, and one run in it.
pub(crate) fn with_run(run: &Value) -> FakeMaster {
    let mut listed = run.clone();
    listed["failures"] = Value::Null;
    let mut full = case();
    let slow = json!([full.clone()]);
    full["nodeid"] = json!("tests/test_cart.py::TestCart::test_total[0]");
    let point = |day: u32, failed: u64| {
        json!({"timestamp": format!("2026-11-{day}T08:00:00Z"), "passed": 40 - failed, "failed": failed,
            "total": 40, "pass_rate": 100.0 - 2.5 * failed as f64, "worker_id": "laptop",
            "run_id": if day == 21 { "run-1" } else { "run-0" }, "status": "failed"})
    };
    FakeMaster::start(vec![
        ("/results", json!([listed])),
        ("/results?limit=50&project=shopp", json!([])),
        ("/results?limit=10&project=shopp", json!([])),
        ("/results/run-1", run.clone()),
        ("/results/run-1/cases", slow),
        ("/results/run-1/case", full),
        ("/trend", json!([point(20, 1), point(21, 3)])),
        ("/trend?limit=10&project=shopp", json!([])),
        (
            "/projects",
            json!([{"project": "shop", "run_count": 2, "last_seen": "2026-11-21T08:00:00Z"}]),
        ),
        (
            "/workers",
            json!([{"worker_id": "laptop", "run_count": 2,
            "last_seen": "2026-11-21T08:00:13Z", "avg_pass_rate": 95.0}]),
        ),
        (
            "/failures/stats",
            json!([{"nodeid": "tests/test_cart.py::TestCart::test_total[0]", "fail_count": 2}]),
        ),
    ])
}
