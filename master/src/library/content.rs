//! Contents in the database: kept and read in pieces, so that none of them fills the memory.

use std::io::{self, Read};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};

use super::LibraryError;
use crate::store::{Store, StoreError, blobs, texts};

/// Size of a piece before it is packed.
const PART_BYTES: usize = 1024 * 1024;

/// How often it is noted that a content is in use. Far less than the time for which what nobody uses is kept.
const TOUCH_EVERY: TimeDelta = TimeDelta::hours(1);

/// A content to be kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewContent<'a> {
    /// BLAKE3, hexadecimal.
    pub(super) hash: &'a str,
    pub(super) bytes: u64,
    /// What an agent unpacks it as, if one can.
    pub(super) format: Option<&'static str>,
}

/// Keeps a content, if it is not there yet. Whoever is to name it has a day to do so.
pub(super) async fn keep(
    store: &Store,
    new: NewContent<'_>,
    content: impl Read + Send + 'static,
) -> Result<(), LibraryError> {
    let kept = keep_parts(store, new, content).await;
    if let Err(LibraryError::Store(error)) = &kept {
        store.writes().failed(error);
    }
    kept
}

async fn keep_parts(
    store: &Store,
    new: NewContent<'_>,
    mut content: impl Read + Send + 'static,
) -> Result<(), LibraryError> {
    if let Some(known) = in_use(store, new.hash, Utc::now()).await?
        && (new.format.is_none() || known == new.format.map(str::to_owned))
    {
        return Ok(());
    }
    blobs::begin(store, new.hash, new.bytes, new.format, Utc::now()).await?;
    for number in 0.. {
        let part;
        (content, part) = away(move || {
            let part = next_part(&mut content);
            (content, part)
        })
        .await?;
        let Some(packed) = part.map_err(|error| {
            LibraryError::FileSystem(format!("a temporary file of the master: {error}"), error)
        })?
        else {
            break;
        };
        blobs::add_part(store, new.hash, number, &packed).await?;
    }
    Ok(blobs::end(store, new.hash, new.format, Utc::now()).await?)
}

fn next_part(content: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut part = Vec::with_capacity(PART_BYTES);
    content.take(PART_BYTES as u64).read_to_end(&mut part)?;
    Ok((!part.is_empty()).then(|| texts::pack(&part)))
}

/// Notes that a content is about to be named, so that it is not forgotten meanwhile. Answers its format; nothing
/// when it is not there.
pub(super) async fn in_use(
    store: &Store,
    hash: &str,
    now: DateTime<Utc>,
) -> Result<Option<Option<String>>, StoreError> {
    let Some(known) = blobs::find(store, hash).await? else {
        return Ok(None);
    };
    let used = DateTime::from_timestamp_micros(known.used_us).unwrap_or_default();
    // A clock that was set back must not make it look used for long.
    if (now - used).abs() >= TOUCH_EVERY && !blobs::touch(store, hash, now).await? {
        return Ok(None);
    }
    Ok(Some(known.format))
}

/// A content that is being read.
#[derive(Debug)]
pub struct Content {
    store: Store,
    hash: String,
    /// Its size.
    pub bytes: u64,
    /// `zip`, `tar.gz` or `tar.zst`; nothing for a file of the library.
    pub format: Option<String>,
    next: i64,
    left: u64,
}

impl Content {
    /// Opens the content with a hash, if it is there.
    pub(super) async fn open(store: &Store, hash: &str) -> Result<Option<Self>, StoreError> {
        let Some(known) = blobs::find(store, hash).await? else {
            return Ok(None);
        };
        let bytes = u64::try_from(known.bytes).unwrap_or_default();
        Ok(Some(Self {
            store: store.clone(),
            hash: known.hash,
            bytes,
            format: known.format,
            next: 0,
            left: bytes,
        }))
    }

    /// The next piece; nothing behind the last one.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        if self.left == 0 {
            return Ok(None);
        }
        let damaged = |reason: &str| StoreError::damaged(format!("content {}", self.hash), reason);
        let part = blobs::part(&self.store, &self.hash, self.next).await?;
        let part = part.ok_or_else(|| damaged("a piece is missing"))?;
        self.left = self
            .left
            .checked_sub(part.len() as u64)
            .filter(|_| !part.is_empty())
            .ok_or_else(|| damaged("its pieces do not have its size"))?;
        self.next += 1;
        Ok(Some(part.into()))
    }

    /// All of it, for contents that are small.
    pub(super) async fn whole(mut self) -> Result<Bytes, StoreError> {
        let mut whole = Vec::new();
        while let Some(part) = self.next().await? {
            whole.extend_from_slice(&part);
        }
        Ok(whole.into())
    }
}

/// Does what waits for a disk away from the threads that answer requests.
pub(super) async fn away<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, LibraryError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        let error = io::Error::other(error);
        LibraryError::FileSystem("the work on a file did not end well".to_owned(), error)
    })
}
