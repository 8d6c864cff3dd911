//! What is in the library: every regular file with a name that can be asked for, in order.

use std::os::fd::OwnedFd;

use chrono::{DateTime, Utc};
use rustix::fs::{AtFlags, Dir, FileType, Stat};
use rustix::io::Errno;
use shared::library::LibraryFile;
use shared::limits::{LIBRARY_DEPTH_MAX, LIBRARY_FILES_MAX, LIBRARY_PATH_BYTES_MAX};

use super::LibraryError;
use super::rule::{hides, is_test};
use super::tree::{Obstacle, ObstacleKind, Tree, step};

/// Execution by its owner.
const EXECUTABLE: u32 = 0o100;

/// A file as it was seen. When nothing of this changed, its content did not either.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Relative to the library.
    pub(super) path: String,
    pub(super) state: FileState,
}

/// What changes when a file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileState {
    pub(super) bytes: u64,
    pub(super) is_executable: bool,
    /// Seconds and nanoseconds since 1970.
    modified: (i64, i64),
    /// The same for the last change of whatever kind; nobody can set it.
    changed: (i64, i64),
    inode: u64,
    device: u64,
}

impl FileState {
    #[expect(
        clippy::unnecessary_cast,
        clippy::useless_conversion,
        reason = "the types differ between systems"
    )]
    pub(super) fn of(stat: &Stat) -> Self {
        Self {
            bytes: u64::try_from(stat.st_size).unwrap_or_default(),
            is_executable: u32::from(stat.st_mode) & EXECUTABLE != 0,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
            inode: stat.st_ino as u64,
            device: stat.st_dev as u64,
        }
    }

    pub(super) fn modified_at(&self) -> DateTime<Utc> {
        moment(self.modified)
    }

    pub(super) fn changed_at(&self) -> DateTime<Utc> {
        moment(self.changed)
    }
}

fn moment((seconds, nanoseconds): (i64, i64)) -> DateTime<Utc> {
    let nanoseconds = u32::try_from(nanoseconds).unwrap_or_default();
    DateTime::from_timestamp(seconds, nanoseconds).unwrap_or_default()
}

impl Entry {
    /// As a list shows it.
    pub(super) fn listed(&self) -> LibraryFile {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        LibraryFile {
            path: self.path.clone(),
            bytes: self.state.bytes,
            modified_at: self.state.modified_at(),
            is_test: is_test(name),
        }
    }
}

/// All files, sorted by path. Hidden ones, compiled Python, links, devices and names that no path can have
/// are left out.
pub(super) fn walk(tree: &Tree) -> Result<Vec<Entry>, LibraryError> {
    let mut entries = Vec::new();
    walk_folder(tree.root(), &mut Vec::new(), &mut entries)?;
    entries.sort_unstable_by(|one, other| one.path.cmp(&other.path));
    Ok(entries)
}

fn walk_folder(
    folder: &OwnedFd,
    parents: &mut Vec<String>,
    entries: &mut Vec<Entry>,
) -> Result<(), LibraryError> {
    let failed = |at: &str, error: Errno| Obstacle::file_system(at, error).named("path");
    let here = parents.join("/");
    for item in Dir::read_from(folder).map_err(|error| failed(&here, error))? {
        let item = item.map_err(|error| failed(&here, error))?;
        let Some(name) = item
            .file_name()
            .to_str()
            .ok()
            .filter(|name| hides(name).is_none())
        else {
            continue;
        };
        let path = if here.is_empty() {
            name.to_owned()
        } else {
            format!("{here}/{name}")
        };
        if path.len() > LIBRARY_PATH_BYTES_MAX {
            continue;
        }
        let stat = match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            // Deleted since its name was read.
            Err(Errno::NOENT) => continue,
            Err(error) => return Err(failed(&path, error)),
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                if entries.len() == LIBRARY_FILES_MAX {
                    return Err(LibraryError::Full(format!(
                        "the library has more than {LIBRARY_FILES_MAX} files; move some out of it"
                    )));
                }
                entries.push(Entry {
                    path,
                    state: FileState::of(&stat),
                });
            }
            FileType::Directory if parents.len() < LIBRARY_DEPTH_MAX => match step(folder, name) {
                Ok(inner) => {
                    parents.push(name.to_owned());
                    walk_folder(&inner, parents, entries)?;
                    parents.pop();
                }
                Err(ObstacleKind::FileSystem(error)) => {
                    return Err(Obstacle::file_system(&path, error).named("path"));
                }
                // It is something else or gone by now.
                Err(_) => {}
            },
            _ => {}
        }
    }
    Ok(())
}
