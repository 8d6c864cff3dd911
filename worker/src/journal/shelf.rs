//! All journals of a user: what there is, what became of each, and room for the next.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::fate::Fate;
use super::places;

/// Most uploaded runs that are kept, whatever their size.
const UPLOADED_RUNS_MAX: usize = 100;

/// Most of those above that number that one run deletes: its tests have begun already.
const SURPLUS_MAX: usize = 20;

/// Age after which a folder that never got its name is nobody's.
const NAMELESS_AFTER: Duration = Duration::from_hours(24);

/// How the name of a folder begins that is being made.
pub(super) const NAMELESS: &str = ".new-";

/// The file in a run's folder.
pub(super) const FILE: &str = "journal";

/// The folder of a run.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Where it is.
    pub folder: PathBuf,
    /// What a master made of it, where one did.
    pub fate: Option<Fate>,
    /// Bytes of the journal.
    pub bytes: u64,
    /// When it was written to.
    pub written_at: SystemTime,
}

/// A journal that nobody else writes to or sends while this lives.
#[derive(Debug)]
pub struct Claimed {
    /// Whose it is.
    pub kept: Kept,
    /// Locked.
    pub(super) file: File,
}

/// Why a journal cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum NotClaimed {
    /// Its worker lives, or another one sends it.
    #[error("its worker is running, or another one is sending it")]
    Busy,
    /// Another one was faster.
    #[error("it is done")]
    Done,
    /// The system says no.
    #[error("it cannot be read: {0}")]
    System(#[from] io::Error),
}

impl Kept {
    /// The journals in these folders, the oldest first. What cannot be read is not there, and what
    /// belongs to another user is none of ours.
    pub fn all(places: &[PathBuf]) -> Vec<Self> {
        let mut all: Vec<Self> = places
            .iter()
            .filter(|place| places::is_safe(place))
            .filter_map(|place| std::fs::read_dir(place).ok())
            .flatten()
            .filter_map(|entry| Self::at(entry.ok()?.path()))
            .collect();
        all.sort_by(|a, b| (a.written_at, &a.folder).cmp(&(b.written_at, &b.folder)));
        all
    }

    fn at(folder: PathBuf) -> Option<Self> {
        let name = folder.file_name()?.to_str()?;
        let found = folder.symlink_metadata().ok()?;
        if name.starts_with('.') || !found.is_dir() || found.uid() != geteuid().as_raw() {
            return None;
        }
        let file = folder.join(FILE).symlink_metadata().ok()?;
        Some(Self {
            fate: Fate::of(&folder),
            bytes: file.is_file().then_some(file.len())?,
            written_at: file.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            folder,
        })
    }

    /// Whether a master has it.
    pub const fn is_uploaded(&self) -> bool {
        matches!(self.fate, Some(Fate::Uploaded { .. }))
    }

    /// Takes it for this process alone.
    pub fn claim(&self) -> Result<Claimed, NotClaimed> {
        let file = File::open(self.folder.join(FILE))?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
            Errno::AGAIN => NotClaimed::Busy,
            error => NotClaimed::System(error.into()),
        })?;
        // Another process may have sent or dropped it before this one had the lock.
        let now = Self::at(self.folder.clone()).ok_or(NotClaimed::Done)?;
        if now.is_uploaded() && !self.is_uploaded() {
            return Err(NotClaimed::Done);
        }
        Ok(Claimed { kept: now, file })
    }

    /// Whether its worker lives, or another one sends it.
    pub fn is_busy(&self) -> bool {
        matches!(self.claim(), Err(NotClaimed::Busy))
    }
}

impl Claimed {
    /// Notes what a master made of it. When that fails, as on a disk that is full, what a master
    /// has makes room; anything else is sent once more, without harm.
    pub fn note(&self, fate: &Fate) {
        let noted = fate.write(&self.kept.folder);
        if noted.is_err() && matches!(fate, Fate::Uploaded { .. }) {
            // What cannot be deleted either is sent once more too.
            let _ = std::fs::remove_dir_all(&self.kept.folder);
        }
    }

    /// Deletes it.
    pub fn drop_it(self) -> io::Result<()> {
        std::fs::remove_dir_all(&self.kept.folder)
    }
}

/// Deletes uploaded journals, the oldest first, until there is room for one more, and answers how
/// many bytes that one may take. One that no master has is never deleted.
pub(super) fn make_room(place: &Path, bytes_max: u64, reserve: u64) -> u64 {
    let all = Kept::all(&[place.to_path_buf()]);
    let mut bytes: u64 = all.iter().map(|kept| kept.bytes).sum();
    let uploaded = all.iter().filter(|kept| kept.is_uploaded()).count();
    let mut surplus = (uploaded + 1)
        .saturating_sub(UPLOADED_RUNS_MAX)
        .min(SURPLUS_MAX);
    for kept in all.iter().filter(|kept| kept.is_uploaded()) {
        if surplus == 0 && bytes.saturating_add(reserve) <= bytes_max {
            break;
        }
        if kept.claim().is_ok_and(|claimed| claimed.drop_it().is_ok()) {
            bytes -= kept.bytes;
            surplus = surplus.saturating_sub(1);
        }
    }
    forget_nameless(place);
    bytes_max.saturating_sub(bytes)
}

/// A worker that was killed between making a folder and naming it has left nothing in it.
fn forget_nameless(place: &Path) {
    let Ok(entries) = std::fs::read_dir(place) else {
        return;
    };
    for entry in entries.flatten() {
        let is_nameless = entry.file_name().to_string_lossy().starts_with(NAMELESS);
        let is_old = |entry: &std::fs::DirEntry| {
            let age = entry.metadata().ok()?.modified().ok()?.elapsed().ok()?;
            Some(age > NAMELESS_AFTER)
        };
        if is_nameless && is_old(&entry) == Some(true) {
            // What stays is tried again by the next run.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Utc;

    fn journal(place: &Path, name: &str, bytes: usize, uploaded: bool) -> PathBuf {
        let folder = place.join(name);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join(FILE), vec![0; bytes]).unwrap();
        if uploaded {
            Fate::Uploaded { at: Utc::now() }.write(&folder).unwrap();
        }
        folder
    }

    #[test]
    fn the_oldest_uploaded_runs_go_first_and_what_no_master_has_never_goes() {
        let place = tempfile::tempdir().unwrap();
        let waiting = journal(place.path(), "a", 100, false);
        let old = journal(place.path(), "b", 100, true);
        let new = journal(place.path(), "c", 100, true);
        assert_eq!(make_room(place.path(), 1000, 100), 700);
        assert!(old.exists());
        assert_eq!(make_room(place.path(), 300, 100), 100);
        assert!(!old.exists() && new.exists() && waiting.exists());
        assert_eq!(make_room(place.path(), 50, 100), 0);
        assert!(!new.exists() && waiting.exists());
    }

    #[test]
    fn uploaded_runs_are_kept_up_to_a_number_too() {
        let place = tempfile::tempdir().unwrap();
        for number in 0..UPLOADED_RUNS_MAX + 5 {
            journal(place.path(), &number.to_string(), 1, true);
        }
        make_room(place.path(), u64::MAX, 0);
        assert_eq!(
            Kept::all(&[place.path().into()]).len(),
            UPLOADED_RUNS_MAX - 1
        );
    }

    #[test]
    fn one_run_deletes_few_of_many() {
        let place = tempfile::tempdir().unwrap();
        for number in 0..UPLOADED_RUNS_MAX + 2 * SURPLUS_MAX {
            journal(place.path(), &number.to_string(), 1, true);
        }
        make_room(place.path(), u64::MAX, 0);
        assert_eq!(
            Kept::all(&[place.path().into()]).len(),
            UPLOADED_RUNS_MAX + SURPLUS_MAX
        );
    }

    #[test]
    fn a_journal_is_one_processes_at_a_time() {
        let place = tempfile::tempdir().unwrap();
        journal(place.path(), "a", 1, false);
        let kept = &Kept::all(&[place.path().into()])[0];
        let claimed = kept.claim().unwrap();
        assert!(kept.is_busy());
        claimed.note(&Fate::Uploaded { at: Utc::now() });
        drop(claimed);
        assert!(matches!(kept.claim(), Err(NotClaimed::Done)));
    }

    #[test]
    fn links_and_other_things_are_no_journals() {
        let place = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let folder = journal(elsewhere.path(), "a", 1, false);
        std::os::unix::fs::symlink(&folder, place.path().join("link")).unwrap();
        std::fs::write(place.path().join("file"), "").unwrap();
        std::fs::create_dir(place.path().join("empty")).unwrap();
        assert!(Kept::all(&[place.path().into()]).is_empty());
    }
}
