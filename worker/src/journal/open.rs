//! The journal of one run, while it goes on.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::disk::{Disk, DiskFile, SystemDisk};
use super::entries::{Beginning, End, Head, Origin};
use super::fate::Fate;
use super::record::Kind;
use super::shelf::{self, NAMELESS};
use super::syncer::{Syncer, Written};
use super::writer::{Writer, size};
use super::{name, places};
use crate::aggregate::Ending;
use crate::config::{Facts, Settings};

/// Bytes of the plugin's lines that one journal takes.
const LINES_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// Below this much room a journal is not worth its beginning.
const ROOM_BYTES_MIN: u64 = 64 * 1024;

/// A handle that is cheap to clone; all clones are one journal. No call fails: a journal that
/// cannot be written says why in [`Journal::problem`], and the run goes on without it.
#[derive(Debug, Clone, Default)]
pub struct Journal(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// What went wrong before there was a file, in words for people.
    beginning: Option<String>,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    folder: PathBuf,
    disk: Arc<dyn Disk>,
    /// The first record, for a journal that has to be made again.
    head: Vec<u8>,
    /// It was given the whole run.
    has_run: AtomicBool,
    /// It was deleted under its worker, and made again.
    was_deleted: AtomicBool,
    /// It is no longer needed, and may be gone.
    is_forgotten: AtomicBool,
    written: Arc<Written>,
    syncer: Mutex<Option<Syncer>>,
}

impl Journal {
    /// Begins the journal of the run that these settings name. Who gives journals no room wants
    /// none.
    pub fn begin(settings: &Settings, beginning: Beginning) -> Self {
        let disk: Arc<dyn Disk> = Arc::new(SystemDisk);
        Self::begin_on(&disk, settings, beginning)
    }

    /// The same on a disk that may fail.
    pub fn begin_on(disk: &Arc<dyn Disk>, settings: &Settings, beginning: Beginning) -> Self {
        let bytes_max = settings.state_bytes_max.value;
        if bytes_max == 0 {
            return Self::none();
        }
        let head = Head::of(settings, beginning);
        let mut inner = Inner::default();
        let mut failed = Vec::new();
        for place in places::places(settings) {
            match open(disk, &place, bytes_max, &head) {
                Ok(open) => {
                    inner.open = Some(open);
                    break;
                }
                Err(Unopened::System(error)) => {
                    failed.push(format!("{} ({error})", place.display()));
                }
                // The limit is meant for all places together.
                Err(error @ Unopened::NoRoom { .. }) => {
                    inner.beginning = Some(format!("there is no journal: {error}"));
                    return Self(Arc::new(inner));
                }
            }
        }
        inner.beginning = explain(&failed, inner.open.as_ref());
        Self(Arc::new(inner))
    }

    /// One that is written nowhere.
    pub fn none() -> Self {
        Self::default()
    }

    /// Takes whole lines, newlines included, given in pieces. They are in the system's hands when
    /// this returns, and on disk within a second.
    pub fn append(&self, pieces: &[&[u8]]) {
        if let Some(open) = &self.0.open {
            open.writer().lines(pieces);
        }
    }

    /// Takes what git and the CI system said.
    pub fn facts(&self, facts: &Facts) {
        if let Some(open) = &self.0.open
            && let Ok(json) = serde_json::to_vec(&Origin::of(facts))
        {
            open.writer().record(Kind::Origin, &[&json]);
        }
    }

    /// Takes the end of the run, exactly as it is given to [`crate::aggregate::Run::finish`], and
    /// asks for it to be on disk soon.
    pub fn end(&self, ending: &Ending, command: &str) {
        let Some(open) = &self.0.open else { return };
        let mut writer = open.writer();
        let end = End::of(ending, command, writer.is_whole());
        let json = |end: &End| serde_json::to_vec(end).unwrap_or_default();
        let is_there = writer.record(Kind::End, &[&json(&end)]) || writer.write().is_ok();
        // Where there is no room for all that waits, there may be some for the end, in place of what
        // was written last and only in part.
        if !is_there && writer.give_up_what_waits() {
            writer.record(Kind::End, &[&json(&end.in_short())]);
        }
        drop(writer);
        if let Some(syncer) = &*locked(&open.syncer) {
            syncer.sync();
        }
    }

    /// The master has the run: the journal may be forgotten when room is needed.
    pub fn uploaded(&self) {
        let at = chrono::Utc::now();
        self.note(&Fate::Uploaded { at });
    }

    /// The master refuses the run for good, for this reason.
    pub fn refused(&self, reason: &str) {
        let (at, reason) = (chrono::Utc::now(), reason.to_owned());
        self.note(&Fate::Refused { at, reason });
    }

    fn note(&self, fate: &Fate) {
        let Some(open) = &self.0.open else { return };
        let noted = fate.write(&open.folder);
        // On a disk that is full, what a master has makes room. Anything else is sent once more,
        // without harm.
        if noted.is_err() && matches!(fate, Fate::Uploaded { .. }) && open.is_there() {
            self.discard();
        }
    }

    /// There is nothing to report, and so nothing to keep.
    pub fn discard(&self) {
        if let Some(open) = &self.0.open {
            open.is_forgotten.store(true, Ordering::Relaxed);
            // What stays is a lost run without tests, which is true and does no harm.
            let _ = std::fs::remove_dir_all(&open.folder);
        }
    }

    /// What is wrong with the journal, in words for people, and what to do about it.
    pub fn problem(&self) -> Option<String> {
        let Some(open) = &self.0.open else {
            return self.0.beginning.clone();
        };
        let folder = open.folder.display();
        if !open.is_forgotten.load(Ordering::Relaxed) && !open.is_there() {
            return Some(format!(
                "the journal in {folder} was deleted while the run went on; set WORKER_STATE_DIR \
                 to a folder that nobody cleans meanwhile"
            ));
        }
        if open.was_deleted.load(Ordering::Relaxed) {
            return Some(format!(
                "the journal in {folder} was deleted while the run went on, and made again at its \
                 end; set WORKER_STATE_DIR to a folder that nobody cleans meanwhile"
            ));
        }
        if let Some(trouble) = open.writer().trouble() {
            return Some(format!("the journal in {folder} is not whole: {trouble}"));
        }
        if let Some(reason) = &*locked(&open.written.unsynced) {
            return Some(format!(
                "the disk failed to keep the journal in {folder}: {reason}; after a power cut \
                 parts of it may be missing"
            ));
        }
        self.0.beginning.clone()
    }

    /// The folder of the run, where there is a journal.
    pub fn folder(&self) -> Option<&Path> {
        Some(&self.0.open.as_ref()?.folder)
    }

    /// Takes the whole run, as the JSON that is sent: for a journal that has not all of its events.
    pub fn keep(&self, json: &[u8]) {
        if let Some(open) = &self.0.open {
            if !open.is_there() {
                open.make_again();
            }
            let is_there = open.writer().record(Kind::Run, &[json]);
            open.has_run.store(is_there, Ordering::Relaxed);
        }
    }

    /// Whether the run can be made again from it, whatever else may be wrong.
    pub fn holds_the_run(&self) -> bool {
        let Some(open) = &self.0.open else {
            return false;
        };
        let writer = open.writer();
        let has_all = writer.is_whole() || open.has_run.load(Ordering::Relaxed);
        has_all && writer.is_written() && open.is_there()
    }

    /// Waits until all is on disk, at most this long.
    pub fn close(&self, longest: Duration) {
        if let Some(open) = &self.0.open
            && let Some(syncer) = locked(&open.syncer).take()
        {
            syncer.finish(longest);
        }
    }
}

impl Open {
    fn writer(&self) -> MutexGuard<'_, Writer> {
        locked(&self.written.writer)
    }

    /// Whether others can find it. Tests that clean up too much delete it under its worker, which
    /// goes on writing into a file without a name.
    fn is_there(&self) -> bool {
        let found = self.folder.join(shelf::FILE).symlink_metadata();
        !found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    /// Makes one in the same place that has nothing yet but whose run it is.
    fn make_again(&self) {
        let (Some(place), Some(name)) = (self.folder.parent(), self.folder.file_name()) else {
            return;
        };
        let made = places::prepare(place)
            .and_then(|()| folder_with_file(self.disk.as_ref(), place, &name.to_string_lossy()));
        // Without it nothing is kept, which is said.
        if let Ok((_, file)) = made {
            self.was_deleted.store(true, Ordering::Relaxed);
            let mut writer = Writer::new(file, 0);
            writer.record(Kind::Head, &[&self.head]);
            *self.writer() = writer;
        }
    }
}

fn locked<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why there is no journal in a place.
#[derive(Debug)]
enum Unopened {
    /// The system says no.
    System(io::Error),
    /// What may not be deleted takes all the room.
    NoRoom { place: PathBuf, bytes_max: u64 },
}

impl From<io::Error> for Unopened {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl fmt::Display for Unopened {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(error) => error.fmt(to),
            Self::NoRoom { place, bytes_max } => write!(
                to,
                "runs that are not uploaded take all of the {} that WORKER_STATE_BYTES_MAX allows \
                 in {}; upload them with `pytest-platform-worker flush`",
                size(*bytes_max),
                place.display()
            ),
        }
    }
}

fn open(disk: &Arc<dyn Disk>, place: &Path, bytes_max: u64, head: &Head) -> Result<Open, Unopened> {
    places::prepare(place)?;
    let reserve = LINES_BYTES_MAX.min(bytes_max / 4);
    let room = shelf::make_room(place, bytes_max, reserve);
    if room == 0 || room < ROOM_BYTES_MIN.min(bytes_max) {
        let place = place.to_path_buf();
        return Err(Unopened::NoRoom { place, bytes_max });
    }
    let name = name::folder(&head.run_id);
    let (folder, file) = folder_with_file(disk.as_ref(), place, &name)?;
    let lines_bytes_max = LINES_BYTES_MAX.min(room);
    let mut writer = Writer::new(file, lines_bytes_max);
    let head = serde_json::to_vec(head).map_err(io::Error::from)?;
    writer.record(Kind::Head, &[&head]);
    let written = Arc::new(Written {
        writer: Mutex::new(writer),
        unsynced: Mutex::default(),
    });
    let folders = vec![folder.clone(), place.to_path_buf()];
    let syncer = Syncer::start(Arc::clone(&written), Arc::clone(disk), folders);
    Ok(Open {
        folder,
        disk: Arc::clone(disk),
        head,
        has_run: AtomicBool::new(false),
        was_deleted: AtomicBool::new(false),
        is_forgotten: AtomicBool::new(false),
        written,
        syncer: Mutex::new(Some(syncer)),
    })
}

/// The folder gets its name when the file in it is locked: whoever sees it sees that it is in use.
fn folder_with_file(
    disk: &dyn Disk,
    place: &Path,
    name: &str,
) -> io::Result<(PathBuf, Arc<dyn DiskFile>)> {
    let nameless = place.join(format!("{NAMELESS}{name}"));
    let folder = place.join(name);
    disk.create_folder(&nameless)?;
    let made = disk
        .create(&nameless.join(shelf::FILE))
        .and_then(|file| disk.rename(&nameless, &folder).map(|()| file));
    match made {
        Ok(file) => Ok((folder, file)),
        Err(error) => {
            // What stays is forgotten after a day.
            let _ = std::fs::remove_dir_all(&nameless);
            Err(error)
        }
    }
}

fn explain(failed: &[String], open: Option<&Open>) -> Option<String> {
    if failed.is_empty() {
        return None;
    }
    let failed = failed.join(", ");
    Some(match open {
        Some(open) => format!(
            "the journal is in {}, where it may not last, because it could not be kept in \
             {failed}; set WORKER_STATE_DIR to a folder that can be written",
            open.folder.display()
        ),
        None => format!(
            "there is no journal, because it could not be kept in {failed}; set WORKER_STATE_DIR \
             to a folder that can be written"
        ),
    })
}
