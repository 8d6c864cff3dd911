//! A master of our own: started on a free port, ready when it says so, ended with us.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::process::Guarded;

/// How long a master may take until it listens.
const START_TIME_MAX: Duration = Duration::from_mins(1);
/// What the master prints before its address.
const LISTENING: &str = "listening on ";

/// A master that runs.
#[derive(Debug)]
pub struct Master {
    /// Its address, such as `http://127.0.0.1:40001`.
    pub url: String,
    /// From the start of the process until it said that it listens.
    pub start_time: Duration,
    process: Guarded,
    log: Option<JoinHandle<()>>,
}

impl Master {
    /// Starts the program on a free port of the loopback interface, its log in a file.
    pub fn start(program: &Path, database_url: &str, log: &Path) -> Result<Self> {
        Self::start_with(program, database_url, log, &[])
    }

    /// As [`Master::start`], with further options.
    pub fn start_with(
        program: &Path,
        database_url: &str,
        log: &Path,
        options: &[&OsStr],
    ) -> Result<Self> {
        let started = Instant::now();
        let mut command = Command::new(program);
        command
            .args(["--listen", "127.0.0.1:0", "--database-url", database_url])
            .args(options)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut process = Guarded::start(&mut command)?;
        let stderr = process.child().stderr.take().context("no pipe")?;
        let mut file =
            File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let (sender, receiver) = mpsc::sync_channel(1);
        let thread = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _ = writeln!(file, "{line}");
                if let Some(url) = address(&line) {
                    let _ = sender.try_send((url, Instant::now()));
                }
            }
        });
        let Ok((url, ready)) = receiver.recv_timeout(START_TIME_MAX) else {
            process.end()?;
            let said = std::fs::read_to_string(log).unwrap_or_default();
            bail!("the master did not start; it said:\n{}", said.trim());
        };
        Ok(Self {
            url,
            start_time: ready - started,
            process,
            log: Some(thread),
        })
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Ends it the polite way and reports whether it went well.
    pub fn end(mut self) -> Result<()> {
        let status = self.process.end()?;
        if let Some(thread) = self.log.take() {
            let _ = thread.join();
        }
        if !status.success() {
            bail!("the master ended with {status}");
        }
        Ok(())
    }
}

fn address(line: &str) -> Option<String> {
    let (_, rest) = line.split_once(LISTENING)?;
    let url = rest.split([' ', ',']).next()?;
    url.starts_with("http://").then(|| url.to_owned())
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn the_address_is_found_wherever_the_line_has_it() {
        let line = "2026-11-21T08:00:00Z INFO listening on http://127.0.0.1:4000, API at /docs";
        assert_eq!(address(line).as_deref(), Some("http://127.0.0.1:4000"));
        assert_eq!(address("listening soon"), None);
    }
}
