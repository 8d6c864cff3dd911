//! The command line: what can be asked, in words worth reading.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::agent::AgentArguments;

/// Runs pytest and reports every result to a pytest-platform master.
#[derive(Debug, Parser)]
#[command(
    name = "pytest-platform-worker",
    version,
    about,
    max_term_width = 100,
    after_help = "Most options can also be set in the environment (MASTER_URL, MASTER_TOKEN, \
        WORKER_ID, PROJECT, BRANCH, COMMIT, VARIANT, WORKER_PYTHON, WORKER_RUN_TIMEOUT, \
        WORKER_STALL_TIMEOUT, WORKER_UPLOAD_TIMEOUT, WORKER_SAVE, WORKER_STATE_DIR, WORKER_MEMORY, WORKER_QUIET) or in the table [tool.pytest-platform] of \
        pyproject.toml. `pytest-platform-worker config` shows what is in force and why."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run pytest and report the run
    ///
    /// Everything after `--` goes to pytest. Nothing has to be installed beside pytest, pytest's
    /// output and exit code are left as they are, and a master that is slow or away never costs a
    /// test: at most the upload timeout at the very end.
    #[command(after_help = RUN_EXIT_CODES)]
    Run(RunArguments),
    /// Show every setting and where its value came from
    Config(Options),
    /// Send runs that were saved to files
    ///
    /// `--save` wrote them. What could not be uploaded is in a journal: `flush` sends that. Sending a
    /// run twice does no harm.
    Send(SendArguments),
    /// Upload what earlier runs left
    ///
    /// Every run has a journal on disk. What could not be uploaded, and what a worker that was
    /// killed left behind, goes to the master now; the next `run` does the same by itself. Exit
    /// code: 0 when nothing is left, 1 when something is.
    Flush(FlushArguments),
    /// List, show or drop the journals of runs
    Journal(JournalArguments),
    /// Take jobs from the master and carry them out
    ///
    /// Each job gets a folder and processes of its own: its source is fetched, what it needs is
    /// installed, pytest runs and is reported like any run, and everything is removed. The first signal
    /// that ends an agent lets its jobs end, a second gives them back, a third kills them.
    Agent(AgentArguments),
    /// Carry out one attempt of a job (the agent starts this)
    #[command(hide = true)]
    Attempt,
    /// Stand between an agent's worker and pytest (the worker starts this)
    #[command(hide = true)]
    Guard(GuardArguments),
    /// Report the events of a pytest that is already running (the plugin starts this)
    #[command(hide = true)]
    Sidecar(SidecarArguments),
}

const RUN_EXIT_CODES: &str = "Exit code: pytest's own; 128 + n when signal n ended pytest; 124 when \
    a time limit ended the run; 127 when there is no Python to run; 4 when this command line is wrong; \
    1 instead of 0 when pytest's output could not be written. The upload never changes it.";

/// `run`.
#[derive(Debug, Args)]
pub struct RunArguments {
    /// Settings.
    #[command(flatten)]
    pub options: Options,
    /// Standard input is an agent's: it brings the settings and says how long the tests may go on
    #[arg(long, hide = true)]
    pub supervised: bool,
    /// A flag for Python itself, such as `-OO`, `-I` or `-Xdev`; can be repeated
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    pub python_arg: Vec<OsString>,
    /// Arguments for pytest, as after `python -m pytest`
    #[arg(last = true, value_name = "PYTEST ARGS")]
    pub pytest_arguments: Vec<OsString>,
}

/// Settings that all commands share.
#[derive(Debug, Clone, Default, Args)]
pub struct Options {
    /// Where the master is [default: `http://localhost:8080`]
    #[arg(long, value_name = "URL")]
    pub master_url: Option<String>,
    /// Token for the master; rather set `MASTER_TOKEN`, other users can see command lines
    #[arg(long, value_name = "TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Name of this worker [default: the host name]
    #[arg(long, value_name = "NAME")]
    pub worker_id: Option<String>,
    /// What is tested [default: the git remote's name, or the folder's]
    #[arg(long, value_name = "NAME")]
    pub project: Option<String>,
    /// Branch under test [default: what the CI system or git says]
    #[arg(long, value_name = "NAME")]
    pub branch: Option<String>,
    /// Commit under test [default: what the CI system or git says]
    #[arg(long, value_name = "HASH")]
    pub commit: Option<String>,
    /// A label under which runs compare, such as `python=3.12`; can be repeated
    #[arg(long, value_name = "LABEL=VALUE", value_parser = label)]
    pub variant: Vec<(String, String)>,
    /// Python to run [default: the active virtual environment's, or python3 on PATH]
    #[arg(long, value_name = "PATH")]
    pub python: Option<PathBuf>,
    /// End the run, and everything it started, after this many seconds [default: no limit]
    #[arg(long, value_name = "SECONDS", value_parser = limit_seconds)]
    pub run_timeout: Option<f64>,
    /// End the run when nothing happened and nothing was printed for this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = limit_seconds)]
    pub stall_timeout: Option<f64>,
    /// Id of the run, unique [default: a new UUID]
    #[arg(long, value_name = "ID", value_parser = run_id)]
    pub run_id: Option<String>,
    /// Longest wait for the upload after the tests, in seconds [default: 10]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub upload_timeout: Option<f64>,
    /// Also write the run to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// Where journals are kept [default: pytest-platform in the user's state folder]
    #[arg(long, value_name = "FOLDER")]
    pub state_dir: Option<PathBuf>,
    /// Measure the peak memory of each test (Linux only, some 20 µs a test)
    #[arg(long)]
    pub memory: bool,
    /// Do not print the closing line
    #[arg(short, long)]
    pub quiet: bool,
}

/// `send`.
#[derive(Debug, Args)]
pub struct SendArguments {
    /// Settings.
    #[command(flatten)]
    pub options: Options,
    /// Files that `--save` wrote
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
}

/// `flush`.
#[derive(Debug, Args)]
pub struct FlushArguments {
    /// Settings.
    #[command(flatten)]
    pub options: Options,
    /// Also send runs that were meant for a master on another host
    #[arg(long)]
    pub any_master: bool,
}

/// `journal`.
#[derive(Debug, Args)]
pub struct JournalArguments {
    /// What to do with them.
    #[command(subcommand)]
    pub command: JournalCommand,
}

/// What can be done with journals.
#[derive(Debug, Subcommand)]
pub enum JournalCommand {
    /// List all journals, the oldest first
    List(Shelf),
    /// Show what a journal holds
    Show {
        /// Where it is.
        #[command(flatten)]
        shelf: Shelf,
        /// Id of the run, its beginning, or the name of its folder
        run: String,
        /// As the JSON that would be sent
        #[arg(long)]
        json: bool,
    },
    /// Delete journals
    ///
    /// Nothing is asked. A journal whose worker is running stays, and so does one that no master
    /// has, unless `--force` is given.
    Drop {
        /// Where they are.
        #[command(flatten)]
        shelf: Shelf,
        /// Ids of runs, their beginnings, or names of folders
        #[arg(required_unless_present_any = ["uploaded", "all"])]
        runs: Vec<String>,
        /// Every run that a master has
        #[arg(long)]
        uploaded: bool,
        /// Every run
        #[arg(long, conflicts_with = "uploaded")]
        all: bool,
        /// Also runs that no master has
        #[arg(long)]
        force: bool,
    },
}

/// Where journals are.
#[derive(Debug, Clone, Args)]
pub struct Shelf {
    /// Where journals are kept [default: pytest-platform in the user's state folder]
    #[arg(long, value_name = "FOLDER")]
    pub state_dir: Option<PathBuf>,
}

impl Shelf {
    /// The same as part of all settings.
    pub fn options(&self) -> Options {
        Options {
            state_dir: self.state_dir.clone(),
            ..Options::default()
        }
    }
}

/// `sidecar`.
#[derive(Debug, Args)]
pub struct SidecarArguments {
    /// Settings.
    #[command(flatten)]
    pub options: Options,
    /// Descriptor on which the plugin's events arrive
    #[arg(long, default_value_t = 0)]
    pub fd: u32,
    /// The command line of pytest, to be stored with the run
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// `guard`.
#[derive(Debug, Args)]
pub struct GuardArguments {
    /// The program runs in a sandbox, which tells a signal that ended it by an exit code
    #[arg(long)]
    pub sandboxed: bool,
    /// The program to start, and its arguments
    #[arg(last = true, value_name = "COMMAND", required = true)]
    pub command: Vec<OsString>,
}

/// Reads `label=value`.
pub fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("a label looks like `python=3.12`".to_owned()),
    }
}

/// Reads a number of seconds that a person may wait.
pub fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=crate::config::UPLOAD_TIMEOUT_S_MAX).contains(&seconds) => {
            Ok(seconds)
        }
        _ => Err(format!(
            "a number of seconds from 0 to {}",
            crate::config::UPLOAD_TIMEOUT_S_MAX
        )),
    }
}

/// Reads a time limit of a run in seconds; 0 means none.
pub fn limit_seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=crate::config::RUN_TIMEOUT_S_MAX).contains(&seconds) => Ok(seconds),
        _ => Err(format!(
            "a number of seconds up to {}, or 0 for no limit",
            crate::config::RUN_TIMEOUT_S_MAX
        )),
    }
}

/// Reads an id of a run.
fn run_id(text: &str) -> Result<String, String> {
    let bytes_max = shared::limits::RUN_ID_BYTES_MAX;
    if text.is_empty() || text.len() > bytes_max || text.chars().any(char::is_control) {
        return Err(format!("a printable text of 1 to {bytes_max} bytes"));
    }
    Ok(text.to_owned())
}
