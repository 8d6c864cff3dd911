//! The plugin, carried inside this binary and laid out for one pytest to import.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::{fmt, io};

use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::process::{Pid, getuid};
use tempfile::TempDir;

use super::tree;

/// How the folders' names begin.
const PREFIX: &str = "pytest-platform-plugin-";

/// The package within.
const PACKAGE: &str = "pytest_platform";

/// The file that says whether a folder is in use.
const LOCK: &str = "in-use";

/// Longest note of a process: its number.
const NOTE_BYTES_MAX: u64 = 32;

/// Names and texts of these files of the package `pytest_platform`.
macro_rules! plugin_files {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../../python/pytest_platform/", $name)))),+]
    };
}

/// Every file of it.
const FILES: &[(&str, &str)] = &plugin_files![
    "__init__.py",
    "distributed.py",
    "memory.py",
    "output.py",
    "pipe.py",
    "plugin.py",
    "reporter.py",
    "session.py",
    "sidecar.py",
    "text.py",
];

/// A folder that only this user can read, gone when this is dropped.
#[derive(Debug)]
pub(super) struct PluginFolder {
    folder: TempDir,
    /// Locked as long as this process lives; it names pytest's process.
    lock: File,
}

/// The folders that were tried, and why none could be used.
#[derive(Debug)]
pub(super) struct NoFolder(Vec<(PathBuf, io::Error)>);

impl fmt::Display for NoFolder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            formatter.write_str("no folder is known")?;
        }
        for (number, (folder, error)) in self.0.iter().enumerate() {
            let separator = if number == 0 { "" } else { "; " };
            write!(formatter, "{separator}{}: {error}", folder.display())?;
        }
        Ok(())
    }
}

impl PluginFolder {
    /// Writes the plugin where temporary files go, or else to a folder of the user's own.
    pub(super) fn write() -> Result<Self, NoFolder> {
        Self::write_in_first(places())
    }

    fn write_in_first(places: impl IntoIterator<Item = PathBuf>) -> Result<Self, NoFolder> {
        let mut tried = Vec::new();
        for place in places {
            match Self::write_in(&place) {
                Ok(plugin) => return Ok(plugin),
                Err(error) => tried.push((place, error)),
            }
        }
        Err(NoFolder(tried))
    }

    fn write_in(place: &Path) -> io::Result<Self> {
        let mut named = tempfile::Builder::new();
        let folder = named.prefix(PREFIX).tempdir_in(place)?;
        let lock = File::create(folder.path().join(LOCK))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        let package = folder.path().join(PACKAGE);
        std::fs::create_dir(&package)?;
        for (name, text) in FILES {
            std::fs::write(package.join(name), text)?;
        }
        Ok(Self { folder, lock })
    }

    /// Notes which process imports from it, perhaps for longer than this one lives.
    pub(super) fn serves(&self, process: Pid) {
        // Without the note, the folder of a worker that was killed goes a little too early.
        let _ = write!(&self.lock, "{}", process.as_raw_pid());
    }

    /// Its path.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes the folders of workers that were killed and whose pytest has ended, on a thread.
pub(super) fn sweep() -> JoinHandle<()> {
    std::thread::spawn(|| places().for_each(|place| sweep_in(&place)))
}

fn sweep_in(place: &Path) {
    let Ok(entries) = std::fs::read_dir(place) else {
        return;
    };
    let ours = |name: &OsStr| name.as_encoded_bytes().starts_with(PREFIX.as_bytes());
    let folders = entries.flatten().filter(|entry| ours(&entry.file_name()));
    for folder in folders {
        let path = folder.path();
        if is_left_behind(&path) {
            // Somebody else may remove it at the same time.
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

/// Whether a folder is this user's own, its worker is dead and its pytest too.
fn is_left_behind(path: &Path) -> bool {
    let is_own = path
        .symlink_metadata()
        .is_ok_and(|folder| folder.is_dir() && folder.uid() == getuid().as_raw());
    // One without a lock is just being made.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Some(lock) = is_own
        .then(|| rustix::fs::open(path.join(LOCK), flags, Mode::empty()).ok())
        .flatten()
    else {
        return false;
    };
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        return false;
    }
    let mut process = String::new();
    let read = File::from(lock)
        .take(NOTE_BYTES_MAX)
        .read_to_string(&mut process);
    let process = process.parse().ok().and_then(Pid::from_raw);
    // A number that is somebody else's by now keeps the folder for another while.
    read.is_ok() && process.is_none_or(tree::has_ended)
}

/// Where a folder may be made, in order. Never the current folder, which is the user's project, and
/// so nothing relative.
fn places() -> impl Iterator<Item = PathBuf> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let home = std::env::home_dir().unwrap_or_default();
    let places = [
        std::env::temp_dir(),
        variable("XDG_RUNTIME_DIR").unwrap_or_default(),
        variable("XDG_CACHE_HOME").unwrap_or_else(|| home.join(".cache")),
        variable("XDG_STATE_HOME").unwrap_or_else(|| home.join(".local/state")),
        home,
    ];
    places.into_iter().filter(|place| place.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_plugin_is_carried() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/pytest_platform");
        let mut there: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| Path::new(name).extension().is_some_and(|end| end == "py"))
            .collect();
        there.sort();
        let carried: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        assert_eq!(carried, there);
    }

    #[test]
    fn the_plugin_is_written_and_goes_with_its_owner() {
        let plugin = PluginFolder::write().unwrap();
        let folder = plugin.path().to_owned();
        let text = std::fs::read_to_string(folder.join("pytest_platform/plugin.py")).unwrap();
        assert!(text.contains("pytest"));
        drop(plugin);
        assert!(!folder.exists());
    }

    #[test]
    fn the_folder_of_a_dead_worker_goes_when_its_pytest_is_dead_too() {
        let place = tempfile::tempdir().unwrap();
        let kept = |plugin: PluginFolder| {
            let PluginFolder { folder, lock } = plugin;
            drop(lock);
            folder.keep()
        };
        let mut ended = std::process::Command::new("true").spawn().unwrap();
        let number = Pid::from_child(&ended);
        ended.wait().unwrap();
        let plugin = || PluginFolder::write_in(place.path()).unwrap();
        let (living, serving, orphaned) = (plugin(), plugin(), plugin());
        serving.serves(rustix::process::getpid());
        orphaned.serves(number);
        let (serving, orphaned) = (kept(serving), kept(orphaned));
        let strange = place.path().join(format!("{PREFIX}strange"));
        std::fs::create_dir(&strange).unwrap();
        sweep_in(place.path());
        assert!(living.path().exists() && serving.exists() && strange.exists());
        assert!(!orphaned.exists());
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_passed_over_for_the_next() {
        let (missing, good) = (PathBuf::from("/dev/null/x"), tempfile::tempdir().unwrap());
        let places = [missing.clone(), good.path().to_owned()];
        let plugin = PluginFolder::write_in_first(places).unwrap();
        assert!(plugin.path().starts_with(good.path()));
        let nowhere = PluginFolder::write_in_first([missing]).unwrap_err();
        assert!(
            nowhere.to_string().starts_with("/dev/null/x: "),
            "{nowhere}"
        );
    }
}
