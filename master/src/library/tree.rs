//! The folder of the library, reached part by part, without ever following a link.
//!
//! Every folder is opened relative to the one around it and refused when it is a link: what somebody
//! plants or exchanges meanwhile cannot lead outside, because no path is ever resolved as a whole.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;
use shared::validate::Invalid;

use super::LibraryError;
use super::rule::LibraryPath;

/// Longest wait for others that change the library, of this master or another one on the same folder.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// Pause between two attempts at the lock.
const LOCK_PAUSE: Duration = Duration::from_millis(5);

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// A pipe that lies where a file should be must not hold up whoever opens it.
const FILE: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC);

/// The folder, open.
#[derive(Debug)]
pub(super) struct Tree {
    root: OwnedFd,
}

/// What stands in the way to a file, and where.
#[derive(Debug)]
pub(super) struct Obstacle {
    /// The path up to it.
    pub(super) at: String,
    pub(super) kind: ObstacleKind,
}

#[derive(Debug)]
pub(super) enum ObstacleKind {
    Missing,
    Link,
    NotAFolder,
    NotAFile,
    FileSystem(io::Error),
}

impl Obstacle {
    pub(super) fn new(at: &str, kind: ObstacleKind) -> Self {
        Self {
            at: at.to_owned(),
            kind,
        }
    }

    pub(super) fn file_system(at: &str, error: impl Into<io::Error>) -> Self {
        Self::new(at, ObstacleKind::FileSystem(error.into()))
    }

    /// As an error that names the field whose value led here.
    pub(super) fn named(self, field: &str) -> LibraryError {
        let at = self.at;
        let invalid = |reason: String| Invalid::new(field, reason).into();
        match self.kind {
            ObstacleKind::Missing => {
                LibraryError::NotFound(format!("{field}: the library has no `{at}`"))
            }
            ObstacleKind::Link => invalid(format!(
                "`{at}` is a symbolic link, and the library follows none"
            )),
            ObstacleKind::NotAFolder => invalid(format!("`{at}` is a file, not a folder")),
            ObstacleKind::NotAFile => invalid(format!("`{at}` is not a regular file")),
            ObstacleKind::FileSystem(error) => {
                LibraryError::FileSystem(format!("`{at}` of the library: {error}"), error)
            }
        }
    }
}

impl Tree {
    /// Opens the folder. It may itself be reached through links: its owner named it.
    pub(super) fn open(folder: &Path) -> Result<Self, LibraryError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(folder, flags, Mode::empty()).map_err(|error| {
            let error = io::Error::from(error);
            LibraryError::FileSystem(format!("the folder of the library: {error}"), error)
        })?;
        Ok(Self { root })
    }

    pub(super) const fn root(&self) -> &OwnedFd {
        &self.root
    }

    /// Keeps others from changing the library, or with `alone` also from reading it, until the tree is
    /// dropped. Holds between processes as well.
    pub(super) fn lock(&self, alone: bool) -> Result<(), LibraryError> {
        let operation = if alone {
            FlockOperation::NonBlockingLockExclusive
        } else {
            FlockOperation::NonBlockingLockShared
        };
        let deadline = Instant::now() + LOCK_WAIT;
        loop {
            match rustix::fs::flock(&self.root, operation) {
                Ok(()) => return Ok(()),
                Err(Errno::WOULDBLOCK | Errno::INTR) if Instant::now() < deadline => {
                    std::thread::sleep(LOCK_PAUSE);
                }
                Err(Errno::WOULDBLOCK | Errno::INTR) => {
                    let detail = "the library is being changed for long already; try again";
                    return Err(LibraryError::Busy(detail.to_owned()));
                }
                // Some file systems have no locks. One master alone is careful enough without.
                Err(error) => {
                    tracing::debug!(%error, "the library cannot be locked");
                    return Ok(());
                }
            }
        }
    }

    /// Opens a folder below the library.
    pub(super) fn folder(&self, parts: &[&str]) -> Result<OwnedFd, Obstacle> {
        let mut folder = duplicate(&self.root).map_err(|error| Obstacle::file_system("", error))?;
        for (index, part) in parts.iter().enumerate() {
            folder = step(&folder, part)
                .map_err(|kind| Obstacle::new(&parts[..=index].join("/"), kind))?;
        }
        Ok(folder)
    }

    /// Opens a regular file.
    pub(super) fn file(&self, path: &LibraryPath) -> Result<(File, Stat), Obstacle> {
        let (folders, name) = path.split();
        let folder = self.folder(&folders)?;
        open_file(&folder, name).map_err(|kind| Obstacle::new(path.as_str(), kind))
    }
}

fn duplicate(fd: &OwnedFd) -> io::Result<OwnedFd> {
    fd.try_clone()
}

/// Opens a folder inside of another one.
pub(super) fn step(folder: &OwnedFd, name: &str) -> Result<OwnedFd, ObstacleKind> {
    match rustix::fs::openat(folder, name, FOLDER, Mode::empty()) {
        Ok(inner) => Ok(inner),
        Err(Errno::NOENT) => Err(ObstacleKind::Missing),
        Err(Errno::LOOP | Errno::NOTDIR | Errno::MLINK) => Err(match kind(folder, name)? {
            FileType::Symlink => ObstacleKind::Link,
            _ => ObstacleKind::NotAFolder,
        }),
        Err(error) => Err(ObstacleKind::FileSystem(error.into())),
    }
}

/// Opens a regular file inside of a folder.
pub(super) fn open_file(folder: &OwnedFd, name: &str) -> Result<(File, Stat), ObstacleKind> {
    let refused = |error: Errno| match error {
        Errno::NOENT => ObstacleKind::Missing,
        Errno::LOOP | Errno::MLINK => ObstacleKind::Link,
        // A socket.
        Errno::NXIO | Errno::NODEV => ObstacleKind::NotAFile,
        error => ObstacleKind::FileSystem(error.into()),
    };
    // Opening a device may do something already, so it is looked at first; what it is in the end is asked of
    // the open file.
    match kind(folder, name)? {
        FileType::RegularFile => {}
        FileType::Symlink => return Err(ObstacleKind::Link),
        _ => return Err(ObstacleKind::NotAFile),
    }
    let file = rustix::fs::openat(folder, name, FILE, Mode::empty()).map_err(refused)?;
    let stat = rustix::fs::fstat(&file).map_err(refused)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(ObstacleKind::NotAFile);
    }
    Ok((File::from(file), stat))
}

/// What a name stands for, itself and not what a link leads to.
pub(super) fn kind(folder: impl AsFd, name: &str) -> Result<FileType, ObstacleKind> {
    match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(FileType::from_raw_mode(stat.st_mode)),
        Err(Errno::NOENT) => Err(ObstacleKind::Missing),
        Err(error) => Err(ObstacleKind::FileSystem(error.into())),
    }
}
