//! The sandbox: bubblewrap around whatever a job brings.
//!
//! Build scripts and tests see the system's programs, the Python they run on and the job's own folders,
//! no other processes and, unless it is allowed, no network. The worker that reports stays outside and
//! starts a small program in Python's place, which enters the sandbox first.

mod interpreter;
mod mounts;
mod script;

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Site;
use super::options::StepOptions;
use mounts::Mounts;

/// Bytes of a MiB.
const MIB: u64 = 1024 * 1024;

/// What is started outside: bubblewrap.
const BWRAP: &str = "bwrap";

/// Signals that bubblewrap outlives, so that pytest can end by itself upon them.
const SIGNALS: &str = "INT,TERM,HUP";

/// What a sandbox lets in beside the job's own folders.
#[derive(Debug, Clone, Default)]
pub(super) struct Opening {
    /// Files and folders that can be read.
    pub(super) read: Vec<PathBuf>,
    /// Folders that can be written.
    pub(super) write: Vec<PathBuf>,
    /// Whether the network is there.
    pub(super) network: bool,
}

/// How processes are shut in. It is only made where it works.
#[derive(Debug, Clone)]
pub struct Sandbox {
    bwrap: PathBuf,
    /// Where the Python is that environments are made of.
    interpreter: Vec<PathBuf>,
    /// Further files and folders that can be read.
    read: Vec<PathBuf>,
    network: bool,
    memory_bytes_max: Option<u64>,
    processes_max: Option<u64>,
}

impl Sandbox {
    /// Out of the agent's flags: none unless `--sandbox` is given. Where it is given and cannot be
    /// had, the error says what is missing.
    pub(super) fn of(options: &StepOptions, python: &Path) -> Result<Option<Self>, String> {
        if !options.sandbox {
            return Ok(None);
        }
        let bwrap = on_path(BWRAP).ok_or(
            "--sandbox: bubblewrap is not installed (no bwrap on PATH); on Debian and Ubuntu: \
             apt-get install bubblewrap",
        )?;
        if let Some(path) = options
            .sandbox_read
            .iter()
            .find(|path| !path.is_absolute() || !path.exists())
        {
            let path = path.display();
            return Err(format!(
                "--sandbox-read: {path} has to be absolute and to be there"
            ));
        }
        if options.sandbox_processes.is_some() && rustix::process::geteuid().is_root() {
            return Err(
                "--sandbox-processes: the system does not limit the processes of root; run the agent \
                 as a user of its own, or limit it as a whole (TasksMax= of its systemd unit)"
                    .to_owned(),
            );
        }
        let sandbox = Self {
            bwrap,
            interpreter: interpreter::folders(python)?,
            read: options.sandbox_read.clone(),
            network: options.sandbox_network,
            memory_bytes_max: options.sandbox_memory.map(|mib| mib.saturating_mul(MIB)),
            processes_max: options.sandbox_processes,
        };
        sandbox.check(python)?;
        Ok(Some(sandbox))
    }

    /// Enters a sandbox once, so that one that cannot be had is noticed at the start.
    fn check(&self, python: &Path) -> Result<(), String> {
        let folder = tempfile::tempdir().map_err(|error| format!("--sandbox: {error}"))?;
        let site = Site::new(folder.path(), folder.path());
        for folder in [site.source(), site.temporary(), site.home()] {
            std::fs::create_dir(folder).map_err(|error| format!("--sandbox: {error}"))?;
        }
        let opening = Opening {
            network: self.network,
            ..Opening::default()
        };
        let output = self
            .command(&site, &opening)
            .arg(python)
            .args(["-I", "-c", "pass"])
            .current_dir(site.source())
            .env_clear()
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("--sandbox: cannot start bubblewrap: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        let words = super::words::last_lines(&String::from_utf8_lossy(&output.stderr));
        Err(format!(
            "--sandbox: a sandbox cannot be made here, and jobs are not run without one: {words} \
             (user namespaces may be off on this machine, or not permitted in this container)"
        ))
    }

    /// A command whose further arguments are a program and what it gets.
    pub(super) fn command(&self, site: &Site, opening: &Opening) -> Command {
        let mut command = Command::new(&self.bwrap);
        command.args(self.arguments(site, opening));
        command
    }

    /// Writes a program that starts `python` in the sandbox, with whatever arguments it is given.
    pub(super) fn python(&self, python: &Path, site: &Site) -> io::Result<PathBuf> {
        let opening = Opening {
            network: self.network,
            ..Opening::default()
        };
        let mut words = vec![self.bwrap.clone().into_os_string()];
        words.extend(self.arguments(site, &opening));
        words.push(python.into());
        let path = site.folder().join("sandboxed-python");
        std::fs::write(&path, script::of(&words))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
        Ok(path)
    }

    fn arguments(&self, site: &Site, opening: &Opening) -> Vec<OsString> {
        let mut words: Vec<OsString> = [
            "--die-with-parent",
            "--unshare-user",
            "--unshare-pid",
            "--unshare-ipc",
            "--unshare-uts",
            "--unshare-cgroup-try",
            "--disable-userns",
            "--cap-drop",
            "ALL",
            "--hostname",
            "sandbox",
        ]
        .map(OsString::from)
        .to_vec();
        if !opening.network {
            words.push("--unshare-net".into());
        }
        let mut mounts = Mounts::default();
        mounts.system(opening.network);
        mounts.job(site);
        for path in self
            .interpreter
            .iter()
            .chain(&self.read)
            .chain(&opening.read)
        {
            mounts.read(path);
        }
        for path in &opening.write {
            mounts.write(path);
        }
        mounts.protect(site);
        words.extend(mounts.into_words());
        words.push("--".into());
        words.extend([
            "/usr/bin/env".into(),
            format!("--default-signal={SIGNALS}").into(),
        ]);
        words.extend(["/usr/bin/prlimit".into(), "--core=0".into()]);
        if let Some(bytes) = self.memory_bytes_max {
            words.push(format!("--as={bytes}").into());
        }
        if let Some(count) = self.processes_max {
            words.push(format!("--nproc={count}").into());
        }
        words.push("--".into());
        words
    }
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}
