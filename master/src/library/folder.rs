//! The library, as handlers use it.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use shared::library::{LibraryFile, LibraryVersion, Uploaded};
use shared::limits::{LIBRARY_FILE_BYTES_MAX, LIBRARY_VERSIONS_MAX};
use shared::validate::Invalid;
use tokio::sync::Mutex;

use super::LibraryError;
use super::archive::is_hash;
use super::content::{self, Content, NewContent, away};
use super::place::{self, Before, NewFile};
use super::rule::LibraryPath;
use super::snapshot::Known;
use super::tree::{Obstacle, Tree};
use super::walk;
use crate::store::Store;
use crate::store::library_versions::{self, NewVersion, VersionRow};

/// Files that jobs can be made of. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Library {
    store: Store,
    folder: Option<PathBuf>,
    last_snapshot: Arc<Mutex<Option<Known>>>,
    /// One change at a time, so that the versions of a file are in the order of its contents.
    changing: Arc<Mutex<()>>,
}

impl Library {
    /// A library in a folder; without one, it is empty and nothing can be uploaded into it.
    pub fn new(store: Store, folder: Option<PathBuf>) -> Self {
        Self {
            store,
            folder,
            last_snapshot: Arc::default(),
            changing: Arc::default(),
        }
    }

    pub(super) const fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn last_snapshot(&self) -> &Mutex<Option<Known>> {
        &self.last_snapshot
    }

    pub(super) fn folder(&self) -> Result<&Path, LibraryError> {
        self.folder.as_deref().ok_or(LibraryError::NoLibrary)
    }

    /// Its files behind a path, sorted by path, and whether there are more. Without a folder there are none.
    pub async fn list(
        &self,
        behind: Option<String>,
        limit: usize,
    ) -> Result<(Vec<LibraryFile>, bool), LibraryError> {
        let Ok(folder) = self.folder() else {
            return Ok((Vec::new(), false));
        };
        let folder = folder.to_owned();
        away(move || {
            let entries = walk::walk(&Tree::open(&folder)?)?;
            let first = behind.map_or(0, |behind| {
                entries.partition_point(|entry| entry.path <= behind)
            });
            let rest = &entries[first..];
            let shown = rest.iter().take(limit).map(walk::Entry::listed).collect();
            Ok((shown, rest.len() > limit))
        })
        .await?
    }

    /// What is in a file now.
    pub async fn read(&self, path: LibraryPath) -> Result<Bytes, LibraryError> {
        let before = self.look(path.clone()).await?;
        match before {
            Before::File(content, _) => Ok(content),
            Before::Nothing => Err(missing(&path)),
            Before::Large => {
                let reason = format!(
                    "`{path}` has more than {LIBRARY_FILE_BYTES_MAX} bytes; read it on the master's \
                     file system"
                );
                Err(Invalid::new("path", reason).into())
            }
        }
    }

    async fn look(&self, path: LibraryPath) -> Result<Before, LibraryError> {
        let folder = self.folder()?.to_owned();
        away(move || {
            let tree = Tree::open(&folder)?;
            let (folders, name) = path.split();
            let folder = match tree.folder(&folders) {
                Ok(folder) => folder,
                Err(obstacle) => return Err(obstacle.named("path")),
            };
            place::read_before(&folder, name)
                .map_err(|kind| Obstacle::new(path.as_str(), kind).named("path"))
        })
        .await?
    }

    /// The contents that a file had, the last first.
    pub async fn versions(&self, path: &LibraryPath) -> Result<Vec<LibraryVersion>, LibraryError> {
        let rows = library_versions::of_path(&self.store, path.as_str()).await?;
        if rows.is_empty() {
            // A file that was put there by hand has no versions yet, one that was never there has nothing.
            self.read(path.clone()).await?;
        }
        Ok(rows.into_iter().map(version).collect())
    }

    /// A content that a file had.
    pub async fn version(&self, path: &LibraryPath, hash: &str) -> Result<Bytes, LibraryError> {
        let unknown = || {
            let told =
                format!("`{path}` has no version `{hash}`; ?versions=true lists those it has");
            LibraryError::NotFound(told)
        };
        if !is_hash(hash) {
            let reason = "must be the hash of a version: 64 hexadecimal digits";
            return Err(Invalid::new("version", reason).into());
        }
        let rows = library_versions::of_path(&self.store, path.as_str()).await?;
        if !rows.iter().any(|row| row.hash == hash) {
            return Err(unknown());
        }
        let content = Content::open(&self.store, hash).await?;
        Ok(content.ok_or_else(unknown)?.whole().await?)
    }

    /// The snapshot or archive with a hash, to be read piece by piece.
    pub async fn content(&self, hash: &str) -> Result<Option<Content>, LibraryError> {
        Ok(Content::open(&self.store, hash).await?)
    }

    /// Puts files into the library: all or, when one is refused, none. It is done to the end even when whoever
    /// asked does not wait for it.
    pub async fn upload(
        &self,
        files: Vec<NewFile>,
        by: &str,
    ) -> Result<Vec<Uploaded>, LibraryError> {
        self.folder()?;
        let library = self.clone();
        let by = by.to_owned();
        to_the_end(async move { library.upload_alone(Arc::new(files), &by).await }).await
    }

    async fn upload_alone(
        &self,
        files: Arc<Vec<NewFile>>,
        by: &str,
    ) -> Result<Vec<Uploaded>, LibraryError> {
        let _alone = self.changing.lock().await;
        let folder = self.folder()?.to_owned();
        let before = {
            let (folder, files) = (folder.clone(), Arc::clone(&files));
            away(move || place::check(&Tree::open(&folder)?, &files)).await??
        };
        let mut answers = Vec::with_capacity(files.len());
        for (file, before) in files.iter().zip(&before) {
            self.remember_before(file.path.as_str(), before).await?;
            let hash = self.keep(file.content.clone()).await?;
            answers.push(Uploaded {
                path: file.path.as_str().to_owned(),
                bytes: file.content.len() as u64,
                hash,
                status: status(before, &file.content).to_owned(),
            });
        }
        {
            let files = Arc::clone(&files);
            let wanted: Vec<bool> = answers.iter().map(|one| one.status != UNCHANGED).collect();
            away(move || {
                let tree = Tree::open(&folder)?;
                tree.lock(true)?;
                // Once more, because the file system is everybody's.
                place::check(&tree, &files)?;
                let changed = files.iter().zip(wanted).filter(|(_, wanted)| *wanted);
                place::place(&tree, &changed.map(|(file, _)| file).collect::<Vec<_>>())
            })
            .await??;
        }
        for answer in &answers {
            self.remember(&answer.path, &answer.hash, answer.bytes, Utc::now(), by)
                .await?;
        }
        Ok(answers)
    }

    /// Deletes a file. Its versions stay.
    pub async fn remove(&self, path: LibraryPath) -> Result<(), LibraryError> {
        self.folder()?;
        let library = self.clone();
        to_the_end(async move { library.remove_alone(path).await }).await
    }

    async fn remove_alone(&self, path: LibraryPath) -> Result<(), LibraryError> {
        let _alone = self.changing.lock().await;
        let before = self.look(path.clone()).await?;
        if matches!(before, Before::Nothing) {
            return Err(missing(&path));
        }
        self.remember_before(path.as_str(), &before).await?;
        let folder = self.folder()?.to_owned();
        away(move || {
            let tree = Tree::open(&folder)?;
            tree.lock(true)?;
            place::remove(&tree, &path)
        })
        .await?
    }

    /// What was put there by hand is worth as much as what was uploaded.
    async fn remember_before(&self, path: &str, before: &Before) -> Result<(), LibraryError> {
        let Before::File(content, state) = before else {
            return Ok(());
        };
        let hash = self.keep(content.clone()).await?;
        let bytes = content.len() as u64;
        self.remember(path, &hash, bytes, state.modified_at(), "")
            .await
    }

    async fn keep(&self, content: Bytes) -> Result<String, LibraryError> {
        let hash = blake3::hash(&content).to_hex().to_string();
        let new = NewContent {
            hash: &hash,
            bytes: content.len() as u64,
            format: None,
        };
        content::keep(&self.store, new, Cursor::new(content)).await?;
        Ok(hash)
    }

    async fn remember(
        &self,
        path: &str,
        hash: &str,
        bytes: u64,
        uploaded_at: DateTime<Utc>,
        uploaded_by: &str,
    ) -> Result<(), LibraryError> {
        let new = NewVersion {
            path,
            hash,
            bytes,
            uploaded_at,
            uploaded_by,
        };
        let remembered = library_versions::remember(&self.store, new, LIBRARY_VERSIONS_MAX).await;
        Ok(remembered.inspect_err(|error| self.store.writes().failed(error))?)
    }
}

const UNCHANGED: &str = "unchanged";

fn status(before: &Before, content: &Bytes) -> &'static str {
    match before {
        Before::Nothing => "created",
        Before::File(there, _) if there == content => UNCHANGED,
        _ => "replaced",
    }
}

fn missing(path: &LibraryPath) -> LibraryError {
    LibraryError::NotFound(format!("path: the library has no `{path}`"))
}

fn version(row: VersionRow) -> LibraryVersion {
    LibraryVersion {
        hash: row.hash,
        bytes: u64::try_from(row.bytes).unwrap_or_default(),
        uploaded_at: DateTime::from_timestamp_micros(row.uploaded_us).unwrap_or_default(),
        uploaded_by: row.uploaded_by,
    }
}

/// Does the work in a task of its own, so that a client that goes leaves nothing half done.
async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, LibraryError>> + Send + 'static,
) -> Result<T, LibraryError> {
    tokio::spawn(work).await.map_err(|error| {
        let error = std::io::Error::other(error);
        LibraryError::FileSystem("the change did not end well".to_owned(), error)
    })?
}
