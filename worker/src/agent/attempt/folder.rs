//! The folders of attempts: made, kept from others while they are used, and removed whatever happened.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::orders::lock_of;

/// How the folder itself is called while it is emptied.
const DOOMED: &str = "removed";

/// Keeps a folder from being taken for one that was left behind, as long as this lives.
#[derive(Debug)]
pub(super) struct Occupied {
    /// Shared with the process that works there.
    _lock: File,
}

/// Makes the folder of an attempt, of which only this user sees anything.
pub(super) fn make(folder: &Path) -> io::Result<Occupied> {
    let jobs = folder.parent().unwrap_or(folder);
    DirBuilder::new().mode(0o700).recursive(true).create(jobs)?;
    let occupied = occupy(folder)?;
    // One of the same name was left by an attempt that nobody will miss.
    remove(folder)?;
    DirBuilder::new().mode(0o700).create(folder)?;
    Ok(occupied)
}

/// Says that somebody works there.
pub(super) fn occupy(folder: &Path) -> io::Result<Occupied> {
    let lock = open_lock(folder)?;
    flock(&lock, FlockOperation::LockShared)?;
    Ok(Occupied { _lock: lock })
}

fn open_lock(folder: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(lock_of(folder))
}

/// Removes the folder of an attempt that is over, and what belongs to it.
pub(super) fn leave(folder: &Path, occupied: Occupied) -> io::Result<()> {
    let removed = remove(folder);
    drop(occupied);
    let _ = std::fs::remove_file(lock_of(folder));
    removed
}

/// Removes what agents that were killed left here. Answers how many folders that were.
pub(crate) fn remove_left_behind(jobs: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(jobs) else {
        return 0;
    };
    let mut removed = 0;
    for entry in entries.flatten() {
        let path = entry.path();
        // Logs and runs go with their folders, which may be gone already.
        let folder = path.with_extension("");
        let Ok(lock) = open_lock(&folder) else {
            continue;
        };
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            continue;
        }
        let is_folder = folder.symlink_metadata().is_ok_and(|found| found.is_dir());
        if is_folder && remove(&folder).is_ok() {
            removed += 1;
        }
        for extension in ["log", "run", "lock"] {
            let _ = std::fs::remove_file(folder.with_extension(extension));
        }
    }
    removed
}

/// Removes a folder with all in it: however deep it is, whatever may be read in it, and through no link.
pub(super) fn remove(folder: &Path) -> io::Result<()> {
    match folder.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if !found.is_dir() => return std::fs::remove_file(folder),
        Ok(_) => {}
    }
    // Folders within are moved up beside one another, so that no path grows long and nothing recurses.
    open_up(folder)?;
    let mut doomed = vec![folder.to_path_buf()];
    let mut number = 0_u64;
    while let Some(next) = doomed.last().cloned() {
        let mut within = Vec::new();
        for entry in std::fs::read_dir(&next)? {
            let entry = entry?;
            let path = entry.path();
            if !entry.file_type()?.is_dir() {
                std::fs::remove_file(path)?;
                continue;
            }
            open_up(&path)?;
            if std::fs::remove_dir(&path).is_ok() {
                continue;
            }
            if next == folder {
                within.push(path);
            } else {
                let aside = aside(folder, &mut number);
                std::fs::rename(path, &aside)?;
                within.push(aside);
            }
        }
        if within.is_empty() {
            std::fs::remove_dir(&next)?;
            doomed.pop();
        }
        doomed.append(&mut within);
    }
    Ok(())
}

/// A name in the folder that is free.
fn aside(folder: &Path, number: &mut u64) -> PathBuf {
    loop {
        *number += 1;
        let path = folder.join(format!("{DOOMED}-{number}"));
        if path.symlink_metadata().is_err() {
            return path;
        }
    }
}

/// A folder that cannot be written cannot be emptied.
fn open_up(folder: &Path) -> io::Result<()> {
    std::fs::set_permissions(folder, Permissions::from_mode(0o700))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_folder_goes_with_what_cannot_be_written_and_what_is_linked_stays() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("job");
        let kept = root.path().join("kept");
        std::fs::create_dir_all(folder.join("a/b/c")).unwrap();
        std::fs::create_dir_all(folder.join("a/b/d/e")).unwrap();
        std::fs::create_dir(&kept).unwrap();
        std::fs::write(kept.join("file"), "kept").unwrap();
        std::fs::write(folder.join("a/b/file"), "").unwrap();
        symlink(&kept, folder.join("a/b/link")).unwrap();
        symlink(&kept, folder.join("link")).unwrap();
        for path in ["a/b/file", "a/b/c", "a/b", "a"] {
            let closed = Permissions::from_mode(0o100);
            std::fs::set_permissions(folder.join(path), closed).unwrap();
        }
        remove(&folder).unwrap();
        assert!(!folder.exists());
        assert_eq!(std::fs::read(kept.join("file")).unwrap(), b"kept");
        remove(&folder).unwrap();
    }

    #[test]
    fn a_folder_deeper_than_any_path_goes() {
        use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("job");
        std::fs::create_dir(&folder).unwrap();
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut at = openat(CWD, &folder, flags, Mode::empty()).unwrap();
        for _ in 0..3_000 {
            mkdirat(&at, "deep", Mode::RWXU).unwrap();
            at = openat(&at, "deep", flags, Mode::empty()).unwrap();
        }
        remove(&folder).unwrap();
        assert!(!folder.exists());
    }

    #[test]
    fn what_was_left_behind_goes_and_what_is_used_stays() {
        let root = tempfile::tempdir().unwrap();
        let (left, used) = (root.path().join("a-1"), root.path().join("b-1"));
        drop(make(&left).unwrap());
        let _occupied = make(&used).unwrap();
        std::fs::write(left.with_extension("log"), "").unwrap();
        assert_eq!(remove_left_behind(root.path()), 1);
        assert!(used.is_dir() && !left.exists());
        let names = std::fs::read_dir(root.path()).unwrap();
        assert_eq!(names.count(), 2, "the folder and its lock");
        assert_eq!(remove_left_behind(&root.path().join("nowhere")), 0);
    }
}
