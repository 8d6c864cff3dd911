//! A throw-away PostgreSQL server for tests. A server that runs already is never touched.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use rustix::process::Signal;

use crate::process::{self, Folder, Guarded};
use crate::{descendants, system};

/// How long the server may take until it answers.
const START_TIME_MAX: Duration = Duration::from_secs(30);
/// The user to run as when we are root, which PostgreSQL refuses; Debian's package makes it.
const USER: &str = "postgres";
/// Room for many tests at once, and nobody else.
const SETTINGS: [&str; 3] = [
    "max_connections=300",
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
];
/// Speed before safety: the data is thrown away.
const FAST: [&str; 3] = [
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
];
/// What the process list calls a process that serves a client.
const BACKEND: &str = "postgres: postgres ";

/// A server with an empty cluster in a temporary folder.
#[derive(Debug)]
pub struct Postgres {
    /// `postgres://postgres@127.0.0.1:PORT/postgres`.
    pub url: String,
    /// Such as `15`.
    pub version: String,
    process: Guarded,
    /// The port of `url`.
    pub port: u16,
    programs: PathBuf,
    settings: Vec<&'static str>,
    folder: Folder,
}

impl Postgres {
    /// Makes a cluster and starts a server on a free port; fast, and not safe.
    pub fn start() -> Result<Self> {
        Self::start_with(&FAST)
    }

    /// As [`Postgres::start`], with the settings that PostgreSQL has by itself: what is committed
    /// survives.
    pub fn start_durable() -> Result<Self> {
        Self::start_with(&[])
    }

    fn start_with(more: &[&'static str]) -> Result<Self> {
        let (version, programs) = programs().context(
            "no PostgreSQL programs in /usr/lib/postgresql; \
             on Debian and Ubuntu: apt-get install postgresql",
        )?;
        let folder = make_folder()?;
        let mut initdb = as_server_user(&programs.join("initdb"));
        initdb
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8"])
            .args(["--locale=C", "--no-sync", "--pgdata"])
            .arg(folder.path().join("data"))
            .current_dir(folder.path());
        process::output(&mut initdb).context("cannot make a PostgreSQL cluster")?;
        let port = free_port()?;
        let mut settings = SETTINGS.to_vec();
        settings.extend(more);
        let mut server = Self {
            url: format!("postgres://postgres@127.0.0.1:{port}/postgres"),
            version,
            process: serve(&programs, folder.path(), port, &settings)?,
            port,
            programs,
            settings,
            folder,
        };
        server.wait_until_ready()?;
        Ok(server)
    }

    /// Ends the server and everything that belongs to it with SIGKILL, as a power cut would.
    pub fn kill(&mut self) -> Result<()> {
        let parts = descendants::of(self.process.id());
        self.process.kill()?;
        descendants::kill(&parts);
        Ok(())
    }

    /// Starts a killed server again, with the data and on the port that it had.
    pub fn start_again(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_TIME_MAX;
        loop {
            self.process = serve(
                &self.programs,
                self.folder.path(),
                self.port,
                &self.settings,
            )?;
            match self.wait_until_ready() {
                Ok(()) => return Ok(()),
                // The memory that the killed one shared may be in use for a moment.
                Err(_) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(100));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Process ids of those parts of the server that serve a client.
    pub fn backends(&self) -> Vec<u32> {
        let mut parts = descendants::of(self.process.id());
        parts.retain(|&part| {
            std::fs::read(format!("/proc/{part}/cmdline"))
                .is_ok_and(|line| line.starts_with(BACKEND.as_bytes()))
        });
        parts
    }

    /// Waits until the server answers.
    pub fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_TIME_MAX;
        loop {
            let ended = self.process.wait_at_most(Duration::from_millis(50))?;
            let ready = Command::new(self.programs.join("pg_isready"))
                .args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()])
                .status()
                .context("cannot run pg_isready")?;
            if ready.success() {
                return Ok(());
            }
            if ended.is_some() || Instant::now() > deadline {
                let log = std::fs::read_to_string(self.folder.path().join("log.txt"));
                bail!("PostgreSQL did not start:\n{}", log.unwrap_or_default());
            }
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.process.end();
    }
}

fn serve(programs: &Path, folder: &Path, port: u16, settings: &[&str]) -> Result<Guarded> {
    let mut server = as_server_user(&programs.join("postgres"));
    server.arg("-D").arg(folder.join("data"));
    server.args(["-p", &port.to_string()]);
    for setting in settings {
        server.args(["-c", setting]);
    }
    let log = std::fs::File::create(folder.join("log.txt"))?;
    server
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .current_dir(folder);
    // Anything but SIGINT waits for clients or leaves the data in a mess.
    Guarded::start_with(&mut server, Signal::INT)
}

/// The newest installed version with the folder of its programs.
pub fn programs() -> Option<(String, PathBuf)> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    versions
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let programs = entry.path().join("bin");
            let usable = programs.join("initdb").is_file() && programs.join("postgres").is_file();
            usable.then(|| (name.parse::<u32>().unwrap_or(0), name, programs))
        })
        .max()
        .map(|(_, name, programs)| (name, programs))
}

/// Not under the target folder: the server's user may not be allowed to look in there.
fn make_folder() -> Result<Folder> {
    let folder = Folder::make("pytest-platform-postgres")?;
    if system::is_root() {
        process::succeed(Command::new("chown").arg(USER).arg(folder.path()))?;
    }
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700))?;
    Ok(folder)
}

fn as_server_user(program: &Path) -> Command {
    if !system::is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", USER, "--regid", USER, "--clear-groups", "--"])
        .arg(program);
    command
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr()?.port())
}
