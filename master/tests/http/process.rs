//! A master in a process of its own, which can be killed and given limits.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::Method;
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use serde_json::Value;

/// A running master. Killed when it is dropped.
pub(crate) struct Process {
    pub(crate) url: String,
    child: Child,
}

impl Process {
    /// Starts a master on a database and waits until it listens.
    pub(crate) fn start(database_url: &str) -> Self {
        // A file that grows over its limit is an error then, and not the end of the process.
        let mut child = Command::new("sh")
            .args(["-c", "trap '' XFSZ; exec \"$0\" --listen 127.0.0.1:0"])
            .arg(env!("CARGO_BIN_EXE_pytest-platform-master"))
            .env("DATABASE_URL", database_url)
            .env("RUST_LOG", "off")
            .env_remove("LISTEN")
            .env_remove("LOG_FORMAT")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap());
        let mut lines = lines.lines().map_while(Result::ok);
        let line = lines
            .find(|line| line.contains("listening on http://"))
            .expect("the master did not say where it listens");
        // The rest is read too, so that the child never blocks on a full pipe.
        std::thread::spawn(move || lines.count());
        let url = line
            .split_whitespace()
            .find(|word| word.starts_with("http://"));
        Self {
            url: url.unwrap().trim_end_matches(',').to_owned(),
            child,
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Ends it as a power cut would, as far as the process is concerned.
    pub(crate) fn kill(mut self) {
        kill_process(self.pid(), Signal::KILL).unwrap();
        self.child.wait().unwrap();
    }

    /// Lets no file grow over so many bytes: to the database this is a full disk.
    pub(crate) fn limit_files(&self, bytes: Option<u64>) {
        let limits = prlimit(
            Some(self.pid()),
            Resource::Fsize,
            Rlimit {
                current: bytes,
                maximum: None,
            },
        );
        limits.unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The status and body of an answer; `None` when there was none.
pub(crate) async fn send(
    client: &reqwest::Client,
    method: Method,
    url: &str,
    body: &Value,
) -> Option<(u16, Value)> {
    let request = client.request(method, url).json(body);
    let response = request.timeout(Duration::from_mins(1)).send().await.ok()?;
    let status = response.status().as_u16();
    Some((status, response.json().await.ok()?))
}
