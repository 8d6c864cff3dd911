//! A real master that is killed and started again on the same port.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use xtask::http::Connection;
use xtask::process::Guarded;

use super::Setting;

/// How long a master may take until it answers.
const START_TIME_MAX: Duration = Duration::from_mins(1);
/// How long a master may take to end when it is asked to.
const END_TIME_MAX: Duration = Duration::from_secs(30);
/// Ports below those that the system gives to clients: a client that keeps trying a port of its own
/// range while nobody listens there will one day be connected to itself, and block the port.
const PORTS: std::ops::Range<u16> = 12_000..32_000;
/// After how many seconds of silence a run is lost; short, because the tests wait for it.
pub(crate) const SILENCE_MAX_S: u64 = 6;

/// How a master is started.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    /// The program.
    pub(crate) program: PathBuf,
    /// For `--database-url`.
    pub(crate) database_url: String,
    /// Everything that it says is appended here.
    pub(crate) log: PathBuf,
    /// Put before the command line, such as `nsenter ... --`.
    pub(crate) prefix: Vec<OsString>,
    /// Variables of its environment beside ours.
    pub(crate) variables: Vec<(String, OsString)>,
}

impl Launch {
    /// Nothing special.
    pub(crate) fn plain(setting: &Setting, database_url: String) -> Self {
        Self {
            program: setting.programs.master.clone(),
            database_url,
            log: setting.folder.join("master.log"),
            prefix: Vec::new(),
            variables: Vec::new(),
        }
    }
}

/// A master.
#[derive(Debug)]
pub(crate) struct Master {
    /// Such as `http://127.0.0.1:12345`; stays the same.
    pub(crate) url: String,
    /// How it is started the next time.
    pub(crate) launch: Launch,
    port: u16,
    process: Option<Guarded>,
}

impl Master {
    /// Starts one and waits until it answers.
    pub(crate) fn start(launch: Launch) -> Result<Self> {
        let port = free_port()?;
        let mut master = Self {
            url: format!("http://127.0.0.1:{port}"),
            launch,
            port,
            process: None,
        };
        master.start_again()?;
        Ok(master)
    }

    /// Starts it on the port that it had, and waits until it answers.
    pub(crate) fn start_again(&mut self) -> Result<()> {
        self.spawn()?;
        let deadline = Instant::now() + START_TIME_MAX;
        while !self.answers() {
            if let Some(process) = &mut self.process
                && let Some(status) = process.wait_at_most(Duration::ZERO)?
            {
                self.process = None;
                bail!("the master ended with {status}; it said:\n{}", self.said());
            }
            if Instant::now() > deadline {
                self.kill()?;
                bail!("the master does not answer; it said:\n{}", self.said());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn spawn(&mut self) -> Result<()> {
        let program = self.launch.program.as_os_str();
        let prefix = self.launch.prefix.iter().map(OsString::as_os_str);
        let mut words = prefix.chain([program]);
        let mut command = Command::new(words.next().context("no command")?);
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.launch.log)?;
        command
            .args(words)
            .args(["--listen", &format!("127.0.0.1:{}", self.port)])
            .args(["--database-url", &self.launch.database_url])
            .env("WORKER_SILENCE_MAX", SILENCE_MAX_S.to_string())
            .envs(
                self.launch
                    .variables
                    .iter()
                    .map(|(name, value)| (name, value)),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        // Nothing is left to end politely once these tests are interrupted.
        self.process = Some(Guarded::start_with(&mut command, Signal::KILL)?);
        Ok(())
    }

    /// Whether it says that it is well.
    pub(crate) fn answers(&self) -> bool {
        let timeout = Duration::from_secs(5);
        Connection::open_within(&self.url, timeout)
            .and_then(|mut connection| connection.get("/health"))
            .is_ok_and(|answer| answer.status == 200)
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.kill()?;
        }
        Ok(())
    }

    /// Ends it the polite way.
    pub(crate) fn end(&mut self) -> Result<()> {
        let Some(mut process) = self.process.take() else {
            return Ok(());
        };
        if let Some(id) = i32::try_from(process.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw)
        {
            rustix::process::kill_process(id, Signal::TERM)?;
        }
        match process.wait_at_most(END_TIME_MAX)? {
            Some(status) if status.success() => Ok(()),
            Some(status) => bail!("the master ended with {status}; it said:\n{}", self.said()),
            None => bail!("the master did not end on SIGTERM"),
        }
    }

    /// The end of what it said.
    pub(crate) fn said(&self) -> String {
        let said = std::fs::read_to_string(&self.launch.log).unwrap_or_default();
        let lines: Vec<_> = said.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

fn free_port() -> Result<u16> {
    /// So that no two threads here are given the same.
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    // Different programs on one machine rarely begin at the same port.
    let width = PORTS.end - PORTS.start;
    let first = (std::process::id() as u16).wrapping_mul(97) % width;
    (0..width)
        .map(|_| PORTS.start + (first + TAKEN.fetch_add(1, Ordering::Relaxed)) % width)
        .find(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
        .context("no free port")
}
