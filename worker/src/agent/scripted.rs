//! For tests: a master of a few lines that answers as the test says.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::attempt::{Leased, Reporting};
use super::calls::Calls;

/// Whose attempt the tests talk about.
pub(super) const OF: Leased = Leased { job: 7, attempt: 9 };

/// What becomes of a request.
#[derive(Debug, Clone)]
pub(super) enum Says {
    /// This status and JSON.
    Json(u16, String),
    /// The same, after so long.
    Late(Duration, u16, String),
    /// Nothing: the connection breaks.
    HangUp,
}

impl Says {
    /// A problem with this code.
    pub(super) fn problem(status: u16, code: &str) -> Self {
        let problem = serde_json::json!({
            "status": status, "title": "no", "detail": "as the test says", "code": code,
        });
        Self::Json(status, problem.to_string())
    }

    /// 200 with this.
    pub(super) fn ok(json: &serde_json::Value) -> Self {
        Self::Json(200, json.to_string())
    }
}

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// The last part of its path, such as `log`.
    pub(super) what: String,
    /// What follows `offset=`.
    pub(super) offset: Option<usize>,
    /// Its body.
    pub(super) body: Vec<u8>,
}

type Script = Box<dyn FnMut(&Asked) -> Says + Send>;

/// A server on a free port, until the test process ends.
pub(super) struct Scripted {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Scripted {
    /// One that answers so, one request at a time.
    pub(super) fn new(script: impl FnMut(&Asked) -> Says + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        let script: Arc<Mutex<Script>> = Arc::new(Mutex::new(Box::new(script)));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (kept, script) = (Arc::clone(&kept), Arc::clone(&script));
                std::thread::spawn(move || serve(&stream.unwrap(), &kept, &script));
            }
        });
        Self { url, asked }
    }

    /// One that gives these answers in turn, and the last one ever after.
    pub(super) fn answering(answers: impl Into<Vec<Says>>) -> Self {
        let mut answers = answers.into();
        answers.reverse();
        Self::new(move |_| match answers.len() {
            1 => answers[0].clone(),
            _ => answers.pop().unwrap(),
        })
    }

    pub(super) fn reporting(&self) -> Reporting {
        Reporting {
            master_url: self.url.clone(),
            token: Some("token".to_owned()),
        }
    }

    pub(super) fn calls(&self) -> Calls {
        Calls::new(&self.reporting()).unwrap()
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// How often it was asked for this.
    pub(super) fn count(&self, what: &str) -> usize {
        self.asked().iter().filter(|one| one.what == what).count()
    }
}

fn serve(stream: &TcpStream, kept: &Mutex<Vec<Asked>>, script: &Mutex<Script>) {
    let mut reader = BufReader::new(stream);
    while let Some(asked) = read(&mut reader) {
        kept.lock().unwrap().push(asked.clone());
        let says = (script.lock().unwrap())(&asked);
        let (status, body) = match says {
            Says::Json(status, body) => (status, body),
            Says::Late(pause, status, body) => {
                std::thread::sleep(pause);
                (status, body)
            }
            Says::HangUp => return,
        };
        let length = body.len();
        let head = format!("HTTP/1.1 {status} Status\r\ncontent-length: {length}\r\n\r\n");
        let mut stream = stream;
        // Whoever asked may have gone.
        let _ = stream.write_all((head + &body).as_bytes());
    }
}

fn read(reader: &mut impl BufRead) -> Option<Asked> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else {
            break;
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().unwrap();
        }
        if name.eq_ignore_ascii_case("authorization") {
            assert_eq!(value, "Bearer token");
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let place = line.split(' ').nth(1)?;
    let (path, query) = place.split_once('?').unwrap_or((place, ""));
    let what = path.strip_prefix("/jobs/7/attempts/9/").unwrap_or(path);
    let offset = query.strip_prefix("offset=");
    Some(Asked {
        what: what.to_owned(),
        offset: offset.map(|offset| offset.parse().unwrap()),
        body,
    })
}
