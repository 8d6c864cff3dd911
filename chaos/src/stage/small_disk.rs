//! A file system of a few megabytes that really gets full. It is mounted in a name space of its own,
//! so that it is gone when the process that holds the name space is.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use xtask::process::Guarded;

use super::make_folder;

/// Mounts, says so, and stays.
const HOLD: &str =
    r#"mount -t tmpfs -o "size=$2,mode=0777" tmpfs "$1" && echo mounted && exec sleep infinity"#;

/// The file system.
#[derive(Debug)]
pub(crate) struct SmallDisk {
    /// Where programs that were started with [`SmallDisk::prefix`] see it.
    pub(crate) folder: PathBuf,
    /// How it was made, in words.
    pub(crate) how: &'static str,
    holder: Guarded,
    own_user: bool,
}

impl SmallDisk {
    /// Makes one of this size, such as `4m`.
    pub(crate) fn make(folder: &Path, size: &str) -> Result<Self> {
        let folder = make_folder(folder)?;
        let ways = [
            (
                false,
                "a tmpfs, mounted as root in a mount name space of its own",
            ),
            (
                true,
                "a tmpfs, mounted in a user and mount name space of its own",
            ),
        ];
        let mut reasons = Vec::new();
        for (own_user, how) in ways {
            match hold(&folder, size, own_user) {
                Ok(holder) => {
                    return Ok(Self {
                        folder,
                        how,
                        holder,
                        own_user,
                    });
                }
                Err(error) => reasons.push(format!("{how}: {error:#}")),
            }
        }
        bail!("no small file system could be made: {}", reasons.join("; "))
    }

    /// Words before a command line that let its program see the file system, and start in this
    /// folder: whoever enters a mount name space starts at its root.
    pub(crate) fn prefix(&self, start_in: &Path) -> Vec<OsString> {
        let target = self.holder.id().to_string();
        let mut words = vec!["nsenter", "--target", &target, "--mount"];
        if self.own_user {
            words.extend(["--user", "--preserve-credentials"]);
        }
        words.extend(["--", "sh", "-c", r#"cd "$0" && exec "$@""#]);
        let words = words.into_iter().map(OsString::from);
        words.chain([start_in.as_os_str().to_owned()]).collect()
    }

    /// The same folder for us, who are outside. Only for reading and writing whole files: SQLite
    /// would look through this path and open a file of the outer file system.
    pub(crate) fn seen_from_outside(&self) -> PathBuf {
        let inside = self.folder.strip_prefix("/").unwrap_or(&self.folder);
        PathBuf::from(format!("/proc/{}/root", self.holder.id())).join(inside)
    }

    /// Fills it to the last byte, but for so many that are left.
    pub(crate) fn fill(&self, bytes_left: u64) -> Result<()> {
        let path = self.seen_from_outside().join("ballast");
        let mut ballast = std::fs::File::create(&path)?;
        let block = vec![0_u8; 4096];
        while std::io::Write::write_all(&mut ballast, &block).is_ok() {}
        let size = ballast.metadata()?.len();
        ballast.set_len(size.saturating_sub(bytes_left))?;
        Ok(())
    }

    /// Makes room again.
    pub(crate) fn empty(&self) -> Result<()> {
        std::fs::remove_file(self.seen_from_outside().join("ballast")).context("cannot make room")
    }
}

fn hold(folder: &Path, size: &str, own_user: bool) -> Result<Guarded> {
    let mut command = Command::new("unshare");
    command.arg("--mount");
    if own_user {
        command.args(["--user", "--map-root-user"]);
    }
    command
        .args(["sh", "-c", HOLD, "sh"])
        .arg(folder)
        .arg(size)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut holder = Guarded::start_with(&mut command, Signal::KILL)?;
    let output = holder.child().stdout.take().context("no pipe")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    if line.trim() == "mounted" {
        return Ok(holder);
    }
    let mut said = String::new();
    if let Some(mut errors) = holder.child().stderr.take() {
        let _ = std::io::Read::read_to_string(&mut errors, &mut said);
    }
    holder.kill()?;
    bail!("{}", said.trim())
}
