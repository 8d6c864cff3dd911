//! What git says of the current folder: commit, branch, changes, and the remote's name.
//!
//! git gets a time limit, no terminal, no network, and takes no lock; a folder without git, or a
//! machine without it, simply says nothing.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::settings::printable;

/// Longest that all questions to git may take together.
const GIT_TIMEOUT: Duration = Duration::from_secs(5);

/// As much of an answer as matters: the head lines and the first change.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// What git says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GitFacts {
    /// The commit that is checked out.
    pub commit: Option<String>,
    /// The branch that is checked out; none when HEAD is detached.
    pub branch: Option<String>,
    /// Whether files that git knows differ from the commit.
    pub dirty: Option<bool>,
    /// The last part of the remote's address, without `.git`.
    pub remote: Option<String>,
}

impl GitFacts {
    /// Asks git about `folder`.
    pub fn of(folder: &Path) -> Self {
        let deadline = Instant::now() + GIT_TIMEOUT;
        let status = [
            "status",
            "--porcelain=v2",
            "--branch",
            "--untracked-files=no",
            // The configuration of a submodule could name programs as well.
            "--ignore-submodules=dirty",
        ];
        let Some(status) = ask(folder, &status, deadline) else {
            return Self::default();
        };
        let mut facts = read_status(&status);
        facts.remote = ask(
            folder,
            &["config", "--get-regexp", r"^remote\..*\.url$"],
            deadline,
        )
        .and_then(|remotes| remote_name(&remotes));
        facts
    }
}

fn ask(folder: &Path, arguments: &[&str], deadline: Instant) -> Option<String> {
    let mut child = Command::new("git")
        // A monitor is a program that a repository's configuration can name.
        .args(["--no-pager", "-c", "core.fsmonitor=false"])
        .args(arguments)
        .current_dir(folder)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env_remove("MASTER_TOKEN")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut stdout = child.stdout.take()?;
    let (answer, answered) = crossbeam_channel::bounded(1);
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stdout
            .by_ref()
            .take(ANSWER_BYTES_MAX)
            .read_to_end(&mut bytes);
        // Nobody listens any more when the time is over.
        let _ = answer.send(read.map(|_| bytes));
    });
    let bytes = answered.recv_deadline(deadline);
    let cut = matches!(&bytes, Ok(Ok(bytes)) if bytes.len() as u64 == ANSWER_BYTES_MAX);
    if cut || bytes.is_err() {
        // It may have ended by itself in the meantime.
        let _ = child.kill();
    }
    let status = child.wait().ok()?;
    if bytes.is_ok() {
        reader.join().ok()?;
    }
    let bytes = bytes.ok()?.ok()?;
    (status.success() || cut).then(|| String::from_utf8_lossy(&bytes).into_owned())
}

fn read_status(status: &str) -> GitFacts {
    let mut facts = GitFacts {
        dirty: Some(false),
        ..GitFacts::default()
    };
    for line in status.lines() {
        if let Some(commit) = line.strip_prefix("# branch.oid ") {
            facts.commit = Some(printable(commit)).filter(|commit| commit != "(initial)");
        } else if let Some(branch) = line.strip_prefix("# branch.head ") {
            facts.branch = Some(printable(branch)).filter(|branch| branch != "(detached)");
        } else if !line.starts_with('#') {
            facts.dirty = Some(true);
        }
    }
    facts
}

/// The name of `origin`, or of the first remote: `https://host/team/shop.git` is `shop`.
fn remote_name(remotes: &str) -> Option<String> {
    let mut addresses = remotes.lines().filter_map(|line| line.split_once(' '));
    let first = addresses.clone().next();
    let (_, address) = addresses
        .find(|(name, _)| *name == "remote.origin.url")
        .or(first)?;
    let address = address.trim().trim_end_matches('/');
    let name = address.rsplit(['/', ':']).next()?;
    let name = printable(name.strip_suffix(".git").unwrap_or(name));
    Some(name).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git(folder: &Path, arguments: &[&str]) {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
        let done = Command::new("git")
            .args(identity)
            .args(arguments)
            .current_dir(folder)
            .output()
            .expect("git is needed for this test");
        assert!(done.status.success(), "git {arguments:?}: {done:?}");
    }

    #[test]
    fn a_repository_says_its_commit_branch_changes_and_remote() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        git(path, &["init", "-q", "-b", "feature/basket"]);
        assert_eq!(GitFacts::of(path).commit, None, "there is no commit yet");
        std::fs::write(path.join("a"), "1").unwrap();
        git(path, &["add", "a"]);
        git(path, &["commit", "-q", "-m", "one"]);
        git(path, &["remote", "add", "origin", "git@host:team/shop.git"]);
        let facts = GitFacts::of(path);
        assert_eq!(facts.commit.as_ref().unwrap().len(), 40);
        assert_eq!(facts.branch.as_deref(), Some("feature/basket"));
        assert_eq!(facts.dirty, Some(false));
        assert_eq!(facts.remote.as_deref(), Some("shop"));
        std::fs::write(path.join("a"), "2").unwrap();
        git(path, &["checkout", "-q", "--detach"]);
        let facts = GitFacts::of(path);
        assert_eq!((facts.branch, facts.dirty), (None, Some(true)));
    }

    #[test]
    fn a_folder_without_git_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(GitFacts::of(folder.path()), GitFacts::default());
    }

    #[test]
    fn the_remotes_name_is_the_last_part_of_its_address() {
        for (address, name) in [
            ("https://host/team/shop.git", "shop"),
            ("https://user:secret@host/team/shop", "shop"),
            ("git@host:shop.git", "shop"),
            ("/srv/git/shop.git/", "shop"),
        ] {
            let remotes = format!("remote.fork.url x/y\nremote.origin.url {address}\n");
            assert_eq!(remote_name(&remotes).as_deref(), Some(name), "{address}");
        }
        assert_eq!(remote_name("remote.up.url a/b.git").as_deref(), Some("b"));
        assert_eq!(remote_name(""), None);
    }
}
