//! A real worker: one `run`, and what it said; and `flush`, which sends what earlier ones left.

use std::ffi::OsString;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use shared::outcome::Outcome;
use xtask::process::{self, Guarded};

use crate::book::PROJECT;

use super::{Programs, Setting, Suite, make_folder};

/// How long a run of a small suite may take, on a machine that has other things to do.
const RUN_TIME_MAX: Duration = Duration::from_mins(3);
/// How long a worker waits for its upload at the end, in seconds.
const UPLOAD_TIMEOUT_S: &str = "4";

/// Nobody listens on this port: who connects is refused.
const NOBODY: &str = "http://127.0.0.1:9";

/// How a worker is started.
#[derive(Debug, Clone)]
pub(crate) struct Worker {
    /// The program, and a Python with pytest.
    pub(crate) programs: Programs,
    /// The master.
    pub(crate) master_url: String,
    /// Its name.
    pub(crate) name: String,
    /// For `WORKER_STATE_DIR`.
    pub(crate) state: PathBuf,
    /// For `TMPDIR`, where journals go when they cannot go there.
    pub(crate) temporary: PathBuf,
    /// Variables of its environment beside ours.
    pub(crate) variables: Vec<(String, OsString)>,
    /// Put before the command line.
    pub(crate) prefix: Vec<OsString>,
}

/// A run that is under way.
#[derive(Debug)]
pub(crate) struct Running {
    process: Guarded,
    output: PathBuf,
    /// When it was started.
    pub(crate) started: Instant,
}

/// A run that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Of the worker; `None` when a signal ended it.
    pub(crate) exit_code: Option<i32>,
    /// All it said, pytest's words included.
    pub(crate) output: String,
    /// From start to end.
    pub(crate) time: Duration,
}

impl Ended {
    /// Whether the closing line says that the run is at the master.
    pub(crate) fn uploaded(&self) -> bool {
        self.output.contains(", uploaded http")
    }

    /// Whether it says loudly that the run is neither at the master nor kept.
    pub(crate) fn says_not_kept(&self) -> bool {
        ["NOT KEPT", "NOT REPORTED"]
            .iter()
            .any(|words| self.output.contains(words))
    }

    /// What is wrong with what pytest itself said and ended with: whatever else happens, that is left
    /// as it is.
    pub(crate) fn unlike(&self, suite: &Suite) -> Option<String> {
        let exit_code = suite.exit_code();
        let passed = suite.expected.iter();
        let passed = passed
            .filter(|test| test.outcome == Outcome::Passed)
            .count();
        let words = format!("{passed} passed");
        if self.exit_code != Some(exit_code) {
            return Some(format!(
                "exit code {:?}, not {exit_code}:\n{}",
                self.exit_code, self.output
            ));
        }
        let said = self.output.contains(&words);
        (!said).then(|| format!("pytest does not say {words}:\n{}", self.output))
    }

    /// The closing line.
    pub(crate) fn closing_line(&self) -> &str {
        let lines = self.output.lines().rev();
        let mut ours = lines.filter(|line| line.contains("pytest-platform: "));
        ours.next().unwrap_or("(no closing line)")
    }
}

impl Worker {
    /// A worker with nothing special about it, that keeps what it keeps in this folder.
    pub(crate) fn new(setting: &Setting, master_url: &str, folder: &Path) -> Result<Self> {
        Ok(Self {
            programs: setting.programs.clone(),
            master_url: master_url.to_owned(),
            name: "worker".into(),
            state: make_folder(&folder.join("state"))?,
            temporary: make_folder(&folder.join("temporary"))?,
            variables: Vec::new(),
            prefix: Vec::new(),
        })
    }

    /// Lets it look for its master where nobody listens, and not for long.
    pub(crate) fn reach_nobody(&mut self) {
        NOBODY.clone_into(&mut self.master_url);
        let variable = ("WORKER_UPLOAD_TIMEOUT".to_owned(), OsString::from("0.5"));
        self.variables.push(variable);
    }

    /// Leaves no other place for journals than the state folder: the one that the worker would take
    /// among the temporary files belongs to everybody.
    pub(crate) fn have_no_other_place(&self) -> Result<()> {
        let user = rustix::process::geteuid().as_raw();
        let folder = make_folder(&self.temporary.join(format!("pytest-platform-{user}")))?;
        std::fs::set_permissions(&folder, Permissions::from_mode(0o777))?;
        Ok(())
    }

    /// Starts `run` on a suite.
    pub(crate) fn start(&self, suite: &Suite, run_id: &str) -> Result<Running> {
        let output = suite.folder.join(format!("{run_id}.output"));
        let file = std::fs::File::create(&output)?;
        let mut command = self.command("run")?;
        command
            .args(["--run-id", run_id])
            .arg("--python")
            .arg(&self.programs.python)
            .arg("--")
            .args(&suite.arguments)
            .current_dir(&suite.folder)
            .stdin(Stdio::null())
            .stderr(file.try_clone()?)
            .stdout(file);
        Ok(Running {
            process: Guarded::start_with(&mut command, Signal::KILL)?,
            output,
            started: Instant::now(),
        })
    }

    /// Runs a suite to its end.
    pub(crate) fn run(&self, suite: &Suite, run_id: &str) -> Result<Ended> {
        self.start(suite, run_id)?.wait()
    }

    /// `flush`: answers with what it said, or with an error when it could not send everything.
    pub(crate) fn flush(&self) -> Result<String> {
        let mut command = self.command("flush")?;
        process::output(&mut command).context("flush did not send everything")
    }

    fn command(&self, name: &str) -> Result<Command> {
        let program = self.programs.worker.as_os_str();
        let prefix = self.prefix.iter().map(OsString::as_os_str);
        let mut words = prefix.chain([program]);
        let mut command = Command::new(words.next().context("no command")?);
        command.args(words).arg(name);
        for (variable, _) in std::env::vars_os() {
            let variable = variable.to_string_lossy();
            if variable.starts_with("WORKER_") || variable.starts_with("PYTEST_") {
                command.env_remove(&*variable);
            }
        }
        command
            .env("MASTER_URL", &self.master_url)
            .env("WORKER_ID", &self.name)
            .env("PROJECT", PROJECT)
            .env("BRANCH", "main")
            .env("WORKER_STATE_DIR", &self.state)
            .env("XDG_STATE_HOME", &self.state)
            .env("TMPDIR", &self.temporary)
            .env("WORKER_UPLOAD_TIMEOUT", UPLOAD_TIMEOUT_S)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }
}

impl Running {
    /// Process id of the worker.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> Result<Ended> {
        let Some(status) = self.process.wait_at_most(RUN_TIME_MAX)? else {
            self.process.kill()?;
            bail!("the worker did not end; it said:\n{}", read(&self.output));
        };
        Ok(Ended {
            exit_code: status.code(),
            output: read(&self.output),
            time: self.started.elapsed(),
        })
    }
}

fn read(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
