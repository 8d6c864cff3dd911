//! A throw-away PostgreSQL server for tests. A server that runs already is never touched.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use rustix::process::Signal;

use crate::process::{self, Guarded};
use crate::system;

/// How long the server may take until it answers.
const START_TIME_MAX: Duration = Duration::from_secs(30);
/// The user to run as when we are root, which PostgreSQL refuses; Debian's package makes it.
const USER: &str = "postgres";
/// Speed before safety (the data is thrown away), and room for many tests at once.
const SETTINGS: [&str; 6] = [
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "max_connections=300",
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
];

/// A server with an empty cluster in a temporary folder.
#[derive(Debug)]
pub struct Postgres {
    /// `postgres://postgres@127.0.0.1:PORT/postgres`.
    pub url: String,
    /// Such as `15`.
    pub version: String,
    process: Guarded,
    folder: PathBuf,
}

impl Postgres {
    /// Makes a cluster and starts a server on a free port.
    pub fn start() -> Result<Self> {
        let (version, programs) = programs().context(
            "no PostgreSQL programs in /usr/lib/postgresql; \
             on Debian and Ubuntu: apt-get install postgresql",
        )?;
        let folder = make_folder()?;
        let data = folder.join("data");
        let mut initdb = as_server_user(&programs.join("initdb"));
        initdb
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8"])
            .args(["--locale=C", "--no-sync", "--pgdata"])
            .arg(&data)
            .current_dir(&folder);
        process::output(&mut initdb).context("cannot make a PostgreSQL cluster")?;
        let port = free_port()?;
        let mut server = as_server_user(&programs.join("postgres"));
        server.arg("-D").arg(&data).args(["-p", &port.to_string()]);
        for setting in SETTINGS {
            server.args(["-c", setting]);
        }
        let log = std::fs::File::create(folder.join("log.txt"))?;
        server
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .current_dir(&folder);
        let mut server = Self {
            url: format!("postgres://postgres@127.0.0.1:{port}/postgres"),
            version,
            // Anything but SIGINT waits for clients or leaves the data in a mess.
            process: Guarded::start_with(&mut server, Signal::INT)?,
            folder,
        };
        server.wait_until_ready(&programs, port)?;
        Ok(server)
    }

    fn wait_until_ready(&mut self, programs: &Path, port: u16) -> Result<()> {
        let deadline = Instant::now() + START_TIME_MAX;
        loop {
            let ended = self.process.wait_at_most(Duration::from_millis(50))?;
            let ready = Command::new(programs.join("pg_isready"))
                .args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()])
                .status()
                .context("cannot run pg_isready")?;
            if ready.success() {
                return Ok(());
            }
            if ended.is_some() || Instant::now() > deadline {
                let log = std::fs::read_to_string(self.folder.join("log.txt"));
                bail!("PostgreSQL did not start:\n{}", log.unwrap_or_default());
            }
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.process.end();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
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
fn make_folder() -> Result<PathBuf> {
    let made = process::output(Command::new("mktemp").args([
        "--directory",
        "--tmpdir",
        "pytest-platform-postgres.XXXXXXXX",
    ]))?;
    let folder = PathBuf::from(made.trim());
    if system::is_root() {
        process::succeed(Command::new("chown").arg(USER).arg(&folder))?;
    }
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700))?;
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
