//! Takes snapshots of the library, and knows the last one as long as nothing changed.

use std::path::Path;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use shared::job::LibrarySource;
use shared::validate::Invalid;

use super::LibraryError;
use super::content::{self, NewContent, away};
use super::folder::Library;
use super::pack::{self, PackError, Packed};
use super::rule::LibraryPath;
use super::tree::Tree;
use super::walk::{self, Entry};
use super::{FORMAT_TAR_ZST, archive};

/// How often it is tried when files change meanwhile.
const TRIES: usize = 5;

/// Pause between two tries.
const TRY_PAUSE: Duration = Duration::from_millis(50);

/// A file that changed so recently may change once more without a difference in its times, whose steps are
/// coarse on some file systems. A snapshot with such a file is not believed to be the last one.
const TIME_STEP_MAX: TimeDelta = TimeDelta::seconds(2);

/// The last snapshot.
#[derive(Debug, Clone)]
pub(super) struct Known {
    entries: Vec<Entry>,
    hash: String,
}

/// What was found out about the library.
enum Taken {
    /// Nothing changed.
    Same {
        hash: String,
        entries: Vec<Entry>,
    },
    New {
        packed: Packed,
        entries: Vec<Entry>,
    },
}

impl Library {
    /// Takes a snapshot, and checks that what a source names is in it.
    pub(super) async fn take(&self, source: &mut LibrarySource) -> Result<(), LibraryError> {
        let folder = match self.folder() {
            Ok(folder) => Some(folder.to_owned()),
            Err(_) if source.files.is_empty() => None,
            Err(error) => return Err(error),
        };
        // One at a time: the second finds what the first did.
        let mut last = self.last_snapshot().lock().await;
        let mut known = last.clone();
        if let Some(last) = &known
            && content::in_use(self.store(), &last.hash, Utc::now())
                .await?
                .is_none()
        {
            known = None;
        }
        let began = Utc::now();
        let (hash, entries) = match away(move || take(folder.as_deref(), known.as_ref())).await?? {
            Taken::Same { hash, entries } => (hash, entries),
            Taken::New { packed, entries } => {
                let new = NewContent {
                    hash: &packed.hash,
                    bytes: packed.bytes,
                    format: Some(FORMAT_TAR_ZST),
                };
                content::keep(self.store(), new, packed.content).await?;
                (packed.hash, entries)
            }
        };
        check_files(source, &entries)?;
        let is_settled = |entry: &Entry| entry.state.changed_at() + TIME_STEP_MAX < began;
        *last = entries.iter().all(is_settled).then(|| Known {
            entries,
            hash: hash.clone(),
        });
        source.snapshot = Some(hash);
        Ok(())
    }
}

/// Without a folder there are no files, and a job of them finds no tests: whoever asks for one need not know how
/// the master was started.
fn take(folder: Option<&Path>, known: Option<&Known>) -> Result<Taken, LibraryError> {
    let Some(folder) = folder else {
        let packed = pack::pack_nothing()?;
        let entries = Vec::new();
        return Ok(Taken::New { packed, entries });
    };
    let tree = Tree::open(folder)?;
    let mut changing = String::new();
    for number in 1..=TRIES {
        tree.lock(false)?;
        let entries = walk::walk(&tree)?;
        if let Some(known) = known.filter(|known| known.entries == entries) {
            let hash = known.hash.clone();
            return Ok(Taken::Same { hash, entries });
        }
        refuse_too_large(&entries)?;
        match pack::pack(&tree, &entries) {
            // The files one by one are as they were listed; whether they were so together, a second look says.
            // In the end that is not waited for: somebody may be writing all the time.
            Ok(packed) if number == TRIES || walk::walk(&tree)? == entries => {
                return Ok(Taken::New { packed, entries });
            }
            Ok(_) => {}
            Err(PackError::Changed(path)) => changing = path,
            Err(PackError::Failed(error)) => return Err(error),
        }
        std::thread::sleep(TRY_PAUSE);
    }
    Err(LibraryError::Busy(format!(
        "`{changing}` of the library changes while it is read; try again"
    )))
}

fn refuse_too_large(entries: &[Entry]) -> Result<(), LibraryError> {
    let bytes: u64 = entries.iter().map(|entry| entry.state.bytes).sum();
    let bytes_max = shared::limits::LIBRARY_BYTES_MAX;
    if bytes > bytes_max {
        return Err(LibraryError::Full(format!(
            "the library has {bytes} bytes, and at most {bytes_max} are taken for a job; move \
             something out of it"
        )));
    }
    Ok(())
}

/// Each name is a file of the list, or a folder with one in it.
fn check_files(source: &mut LibrarySource, entries: &[Entry]) -> Result<(), LibraryError> {
    for (index, name) in source.files.iter_mut().enumerate() {
        let field = format!("source.files[{index}]");
        if let Some(folder) = name.strip_suffix('/') {
            *name = folder.to_owned();
        }
        let path = LibraryPath::of(&field, name)?;
        let inside = format!("{path}/");
        let at = entries.partition_point(|entry| entry.path < inside);
        let has_folder = entries
            .get(at)
            .is_some_and(|entry| entry.path.starts_with(&inside));
        let is_file = || {
            let found = entries.binary_search_by(|entry| entry.path.as_str().cmp(path.as_str()));
            found.is_ok()
        };
        if !has_folder && !is_file() {
            let reason = format!("the library has no `{path}`; GET /library lists what it has");
            return Err(Invalid::new(field, reason).into());
        }
    }
    Ok(())
}

impl Library {
    /// Makes a source what it will be for as long as its job is remembered: of the library a snapshot is
    /// taken, an archive must be there. Whatever the client said about a snapshot is replaced.
    pub async fn pin(&self, source: &mut shared::job::Source) -> Result<(), LibraryError> {
        match source {
            shared::job::Source::Git(_) => Ok(()),
            shared::job::Source::Library(source) => self.take(source).await,
            shared::job::Source::Archive(source) => {
                archive::check_known(self.store(), &source.archive).await
            }
        }
    }
}
