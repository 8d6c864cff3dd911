//! Packages that one job leaves for the next: kept apart by where the source came from.
//!
//! A build script can write into the cache that it runs beside. What it leaves there is found by jobs of
//! the same repository, and by no others: whoever can push to a repository runs code in its jobs anyway.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{FlockOperation, flock};

/// How many caches are kept; those that were used last.
const CACHES_MAX: usize = 50;

/// The file in a cache that is locked while it is used.
const LOCK: &str = "in-use";

/// A cache that nobody removes while this is held.
#[derive(Debug)]
pub(super) struct Cache {
    pub(super) folder: PathBuf,
    /// Nobody removes it while this is locked.
    _held: File,
}

impl Cache {
    /// The one for sources of this origin, below `root`. Others that were not used for long are
    /// removed.
    pub(super) fn take(root: &Path, origin: &str) -> io::Result<Self> {
        let hash = blake3::hash(origin.as_bytes()).to_hex();
        let name = hash.get(..32).unwrap_or(&hash);
        let folder = root.join(name);
        std::fs::create_dir_all(&folder)?;
        let lock = File::create(folder.join(LOCK))?;
        flock(&lock, FlockOperation::LockShared)?;
        lock.set_modified(SystemTime::now())?;
        // Space that is not freed now is freed another time.
        let _ = sweep(root, name);
        Ok(Self {
            folder,
            _held: lock,
        })
    }
}

fn sweep(root: &Path, own: &str) -> io::Result<()> {
    let mut caches = Vec::new();
    for entry in std::fs::read_dir(root)?.flatten() {
        let used = entry
            .path()
            .join(LOCK)
            .metadata()
            .and_then(|lock| lock.modified());
        caches.push((used.unwrap_or(SystemTime::UNIX_EPOCH), entry));
    }
    caches.sort_by_key(|(used, _)| std::cmp::Reverse(*used));
    for (_, entry) in caches.into_iter().skip(CACHES_MAX) {
        if entry.file_name() == own {
            continue;
        }
        let lock = File::open(entry.path().join(LOCK));
        let is_free = |lock: File| flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok();
        if lock.map_or(true, is_free) {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_kept_apart_and_old_ones_go() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let held = Cache::take(root, "git a").unwrap();
        assert_eq!(Cache::take(root, "git a").unwrap().folder, held.folder);
        let mut others = Vec::new();
        for number in 0..=CACHES_MAX {
            let other = Cache::take(root, &format!("git {number}")).unwrap();
            let old = SystemTime::now() - std::time::Duration::from_secs(1000 - number as u64);
            let lock = File::options().append(true).open(other.folder.join(LOCK));
            lock.unwrap().set_modified(old).unwrap();
            others.push(other.folder.clone());
        }
        Cache::take(root, "git last").unwrap();
        assert!(held.folder.exists() && others[CACHES_MAX].exists());
        assert!(!others[0].exists());
        assert_eq!(std::fs::read_dir(root).unwrap().count(), CACHES_MAX);
    }
}
