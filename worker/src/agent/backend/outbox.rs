//! Results that the backend does not have yet, kept on disk over restarts of the agent.
//!
//! A file `<time>_<number>.json` is a result as it will be sent. A file `<time>_<number>.taken` says that the
//! task was taken; when an agent finds one at its start, another agent before it ended in the middle.

use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde_json::{Value, json};
use shared::task::{Task, TaskResult, TaskShape, read};
use uuid::Uuid;

/// Most results that wait; then no further task is taken.
const WAITING_MAX: usize = 100;

/// Most results that are kept although the backend refused them.
const REFUSED_KEPT_MAX: usize = 100;

const RESULT: &str = "json";
const TAKEN: &str = "taken";

/// The folder of one backend.
#[derive(Debug)]
pub(super) struct Outbox {
    folder: PathBuf,
    /// Results that could not be written.
    unwritten: Vec<Waiting>,
    _lock: File,
}

/// A result that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiting {
    /// Number of its task.
    pub(super) number: i64,
    /// What is sent.
    pub(super) body: Vec<u8>,
    path: Option<PathBuf>,
}

impl Outbox {
    /// Opens the folder, which is its owner's alone and this process's alone.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let refused = folder.join("refused");
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&refused)?;
        let lock = File::create(folder.join("lock"))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            let words =
                "another agent works for this backend from there; give each its own --work-dir";
            io::Error::other(words)
        })?;
        Ok(Self {
            folder: folder.to_owned(),
            unwritten: Vec::new(),
            _lock: lock,
        })
    }

    /// Notes that a task is carried out from now on.
    pub(super) fn note_taken(&self, task: &Task) -> io::Result<()> {
        let number = match task.shape {
            TaskShape::Attempt => json!({"attempt": task.number}),
            TaskShape::Id => json!({"id": task.number}),
        };
        self.write(task.number, TAKEN, number.to_string().as_bytes())
            .map(drop)
    }

    /// Keeps a result. Where that fails it stays in memory, and the error says so.
    pub(super) fn put(&mut self, result: &TaskResult) -> io::Result<()> {
        let body = serde_json::to_vec(result)?;
        let written = self.write(result.number, RESULT, &body);
        if written.is_err() {
            self.unwritten.push(Waiting {
                number: result.number,
                body,
                path: None,
            });
        }
        for path in self.paths(TAKEN)? {
            if number_of(&path) == Some(result.number) {
                std::fs::remove_file(path)?;
            }
        }
        written.map(drop)
    }

    /// What is to be sent, the oldest first. What cannot be read is left alone.
    pub(super) fn waiting(&self) -> Vec<Waiting> {
        let paths = self.paths(RESULT).unwrap_or_default();
        let kept = paths.into_iter().filter_map(|path| {
            Some(Waiting {
                number: number_of(&path)?,
                body: std::fs::read(&path).ok()?,
                path: Some(path),
            })
        });
        kept.chain(self.unwritten.iter().cloned()).collect()
    }

    /// Whether a result for this task waits.
    pub(super) fn has(&self, number: i64) -> bool {
        let paths = self.paths(RESULT).unwrap_or_default();
        paths.iter().any(|path| number_of(path) == Some(number))
            || self
                .unwritten
                .iter()
                .any(|waiting| waiting.number == number)
    }

    /// Whether none waits.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether too many wait.
    pub(super) fn is_full(&self) -> bool {
        self.len() >= WAITING_MAX
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.paths(RESULT).map_or(0, |paths| paths.len()) + self.unwritten.len()
    }

    /// The backend has it.
    pub(super) fn sent(&mut self, waiting: &Waiting) -> io::Result<()> {
        if let Some(path) = &waiting.path {
            return std::fs::remove_file(path);
        }
        self.unwritten.retain(|other| other != waiting);
        Ok(())
    }

    /// The backend will never take it: it is put aside for people to look at.
    pub(super) fn refused(&mut self, waiting: &Waiting) -> io::Result<()> {
        if let Some(path) = &waiting.path
            && let Some(name) = path.file_name()
        {
            let aside = self.folder.join("refused");
            std::fs::rename(path, aside.join(name))?;
            let mut kept = files(&aside, RESULT)?;
            kept.truncate(kept.len().saturating_sub(REFUSED_KEPT_MAX));
            for oldest in kept {
                std::fs::remove_file(oldest)?;
            }
            return Ok(());
        }
        self.sent(waiting)
    }

    /// Tasks that were taken and never finished: number and shape of each.
    pub(super) fn abandoned(&self) -> Vec<(i64, TaskShape)> {
        let paths = self.paths(TAKEN).unwrap_or_default();
        let read = |path: &PathBuf| {
            let value: Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
            read::number(&value)
        };
        paths.iter().filter_map(read).collect()
    }

    /// Where it is.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    fn paths(&self, extension: &str) -> io::Result<Vec<PathBuf>> {
        files(&self.folder, extension)
    }

    /// Writes a file whole or not at all, and so that it survives a power cut.
    fn write(&self, number: i64, extension: &str, bytes: &[u8]) -> io::Result<PathBuf> {
        let name = format!("{}_{number}.{extension}", Uuid::now_v7());
        let path = self.folder.join(name);
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        File::open(&self.folder)?.sync_all()?;
        Ok(path)
    }
}

/// Files of a folder that end so, the oldest first.
fn files(folder: &Path, extension: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn number_of(path: &Path) -> Option<i64> {
    let (_, number) = path.file_stem()?.to_str()?.rsplit_once('_')?;
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(number: i64) -> Task {
        Task {
            number,
            shape: TaskShape::Id,
            repository_url: "u".into(),
            branch: String::new(),
            laboratory_numbers: vec![],
            connected_tests: vec![],
        }
    }

    fn failure(number: i64) -> TaskResult {
        TaskResult::failure(number, TaskShape::Id, "why")
    }

    #[test]
    fn a_result_is_there_after_a_restart_until_it_was_sent() {
        let folder = tempfile::tempdir().unwrap();
        let mut outbox = Outbox::open(folder.path()).unwrap();
        outbox.note_taken(&task(21)).unwrap();
        assert_eq!(outbox.abandoned(), [(21, TaskShape::Id)]);
        outbox.put(&failure(21)).unwrap();
        outbox.put(&failure(-3)).unwrap();
        drop(outbox);

        let mut outbox = Outbox::open(folder.path()).unwrap();
        assert!(outbox.has(21) && outbox.has(-3) && !outbox.has(3));
        assert_eq!(outbox.abandoned(), []);
        let waiting = outbox.waiting();
        assert_eq!(
            waiting.iter().map(|w| w.number).collect::<Vec<_>>(),
            [21, -3]
        );
        let body: Value = serde_json::from_slice(&waiting[0].body).unwrap();
        assert_eq!(read::result(&body).unwrap(), failure(21));
        outbox.sent(&waiting[0]).unwrap();
        outbox.refused(&waiting[1]).unwrap();
        assert_eq!(outbox.waiting(), []);
        let aside = files(&folder.path().join("refused"), RESULT).unwrap();
        assert_eq!(aside.len(), 1);
    }

    #[test]
    fn two_agents_do_not_share_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let first = Outbox::open(folder.path()).unwrap();
        let error = Outbox::open(folder.path()).unwrap_err();
        assert!(error.to_string().contains("--work-dir"));
        drop(first);
        Outbox::open(folder.path()).unwrap();
    }

    #[test]
    fn a_result_that_cannot_be_written_waits_in_memory() {
        let folder = tempfile::tempdir().unwrap();
        let mut outbox = Outbox::open(folder.path()).unwrap();
        let gone = folder.path().join("gone");
        let home = std::mem::replace(&mut outbox.folder, gone);
        assert!(outbox.put(&failure(1)).is_err());
        let waiting = outbox.waiting();
        assert!(waiting.len() == 1 && outbox.has(1));
        outbox.folder = home;
        outbox.sent(&waiting[0]).unwrap();
        assert!(!outbox.has(1));
    }

    #[test]
    fn of_refused_results_only_so_many_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut outbox = Outbox::open(folder.path()).unwrap();
        for number in 0..=REFUSED_KEPT_MAX as i64 {
            outbox.put(&failure(number)).unwrap();
            assert!(!outbox.is_full());
            for waiting in outbox.waiting() {
                outbox.refused(&waiting).unwrap();
            }
        }
        let aside = files(&folder.path().join("refused"), RESULT).unwrap();
        assert_eq!(aside.len(), REFUSED_KEPT_MAX);
        assert!(aside.iter().all(|path| number_of(path) != Some(0)));
    }
}
