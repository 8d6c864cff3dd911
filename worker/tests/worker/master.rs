//! A master of a few lines: it keeps what it is sent, and answers as it is told to.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use shared::case::NewCase;
use shared::run::NewRun;
use shared::stream::{Finish, NewBatch};

/// What becomes of a request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// 201, as a master answers.
    Saved,
    /// 200, as a master answers to what it has.
    SavedBefore,
    /// This status with this body and header lines.
    Status(u16, &'static str, &'static str),
    /// Nothing, ever.
    Hang,
    /// The connection is dropped in the middle.
    Reset,
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Such as `POST /results HTTP/1.1`.
    pub(crate) line: String,
    /// Lower-cased names.
    pub(crate) headers: Vec<(String, String)>,
    /// As sent.
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn run(&self) -> NewRun {
        self.content()
    }

    fn content<T: DeserializeOwned>(&self) -> T {
        let json = zstd::decode_all(&*self.body).expect("a body in zstd");
        serde_json::from_slice(&json).expect("what the path promises")
    }

    /// Such as `/results`.
    fn path(&self) -> &str {
        self.line.split(' ').nth(1).expect("a path")
    }

    /// What a master says to it that takes everything.
    fn answer(&self) -> String {
        let parts: Vec<&str> = self
            .path()
            .trim_start_matches("/results")
            .split('/')
            .collect();
        let streaming = |run_id: &str, batches: u64| {
            format!(r#"{{"run_id":"{run_id}","status":"running","batches":{batches}}}"#)
        };
        let saved = |run_id: &str| format!(r#"{{"run_id":"{run_id}","status":"saved"}}"#);
        match parts[..] {
            ["", run_id] => streaming(run_id, 0),
            ["", run_id, "cases"] => streaming(run_id, self.content::<NewBatch>().number),
            ["", run_id, _] => saved(run_id),
            _ => saved(&self.run().run_id),
        }
    }
}

/// A run that was sent in parts, as its master puts it together.
fn joined(requests: &[Request], end: &Request) -> NewRun {
    let mut run = end.content::<Finish>().run;
    let mut cases: Vec<NewCase> = Vec::new();
    let path = end.path().replace("/finish", "/cases");
    let batches = requests.iter().filter(|request| request.path() == path);
    for case in batches.flat_map(|batch| batch.content::<NewBatch>().cases) {
        cases.retain(|known| known.nodeid != case.nodeid);
        cases.push(case);
    }
    run.cases = Some(cases);
    run
}

/// A server on a free port, until the test process ends.
pub(crate) struct Master {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Master {
    /// Gives these answers in turn, and the last one ever after.
    pub(crate) fn answering(answers: &[Answer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        let answers = Arc::new(Mutex::new(VecDeque::from(answers.to_vec())));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (kept, answers) = (Arc::clone(&kept), Arc::clone(&answers));
                std::thread::spawn(move || serve(&stream.unwrap(), &kept, &answers));
            }
        });
        Self { url, requests }
    }

    pub(crate) fn saving() -> Self {
        Self::answering(&[Answer::Saved])
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The one run that arrived, whole or in parts.
    pub(crate) fn run(&self) -> NewRun {
        let mut runs = self.runs();
        assert_eq!(runs.len(), 1, "one run was expected");
        runs.remove(0)
    }

    /// The runs that arrived, whole or in parts.
    pub(crate) fn runs(&self) -> Vec<NewRun> {
        let requests = self.requests();
        let arrived = requests.iter().filter_map(|request| match request.path() {
            "/results" => Some(request.run()),
            path if path.ends_with("/finish") => Some(joined(&requests, request)),
            _ => None,
        });
        arrived.collect()
    }

    /// The same, waited for.
    pub(crate) fn run_soon(&self) -> NewRun {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.runs().is_empty() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.run()
    }
}

/// An address where nobody listens.
pub(crate) fn refusing_url() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn serve(stream: &TcpStream, kept: &Mutex<Vec<Request>>, answers: &Mutex<VecDeque<Answer>>) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        let said = request.answer();
        kept.lock().unwrap().push(request);
        let answer = {
            let mut answers = answers.lock().unwrap();
            let next = answers.front().cloned().expect("an answer");
            if answers.len() > 1 {
                answers.pop_front();
            }
            next
        };
        match answer {
            Answer::Saved => reply(stream, 201, "", &said),
            Answer::SavedBefore => reply(stream, 200, "", &said),
            Answer::Status(status, headers, body) => reply(stream, status, headers, body),
            Answer::Hang => std::thread::sleep(Duration::from_mins(1)),
            Answer::Reset => return,
        }
    }
}

fn read(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else {
            break;
        };
        headers.push((name.to_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length")?;
    let mut body = vec![0; length.1.parse().unwrap()];
    reader.read_exact(&mut body).ok()?;
    let line = line.trim_end().to_owned();
    Some(Request {
        line,
        headers,
        body,
    })
}

fn reply(mut stream: &TcpStream, status: u16, headers: &str, body: &str) {
    let length = body.len();
    // The worker may have gone.
    let _ = write!(
        stream,
        "HTTP/1.1 {status} Status\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
}
