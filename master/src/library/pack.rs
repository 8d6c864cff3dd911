//! A snapshot of the library: one tar.zst, the same bytes for the same files.

use std::fs::File;
use std::io::{self, Read, Seek, Write};

use tar::{EntryType, Header};
use tempfile::SpooledTempFile;

use super::LibraryError;
use super::rule::LibraryPath;
use super::tree::{Obstacle, ObstacleKind, Tree};
use super::walk::{Entry, FileState};

/// How hard it is packed: a library is packed once and fetched often, but a job waits for it.
const LEVEL: i32 = 3;

/// A snapshot up to this size stays in memory; a larger one is a file without a name.
const MEMORY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The time of every file: the first second of the year 2000.
const MODIFIED_S: u64 = 946_684_800;

/// A snapshot, ready to be kept.
#[derive(Debug)]
pub(super) struct Packed {
    /// BLAKE3, hexadecimal.
    pub(super) hash: String,
    pub(super) bytes: u64,
    pub(super) content: SpooledTempFile,
}

/// What can go wrong with it.
#[derive(Debug)]
pub(super) enum PackError {
    /// A file is no longer as it was listed.
    Changed(String),
    Failed(LibraryError),
}

fn unwritable(error: io::Error) -> LibraryError {
    LibraryError::FileSystem(format!("a temporary file of the master: {error}"), error)
}

impl From<LibraryError> for PackError {
    fn from(error: LibraryError) -> Self {
        Self::Failed(error)
    }
}

type Builder = tar::Builder<zstd::Encoder<'static, Hashing>>;

/// Packs the files of a list. Each is read once, and must be as the list says before and after.
pub(super) fn pack(tree: &Tree, entries: &[Entry]) -> Result<Packed, PackError> {
    let mut builder = begin().map_err(unwritable)?;
    for entry in entries {
        append(&mut builder, tree, entry)?;
    }
    Ok(end(builder).map_err(unwritable)?)
}

/// The snapshot of no files.
pub(super) fn pack_nothing() -> Result<Packed, LibraryError> {
    begin().and_then(end).map_err(unwritable)
}

fn begin() -> io::Result<Builder> {
    let target = Hashing {
        inner: SpooledTempFile::new(MEMORY_BYTES_MAX),
        hasher: blake3::Hasher::new(),
        bytes: 0,
    };
    Ok(tar::Builder::new(zstd::Encoder::new(target, LEVEL)?))
}

fn end(builder: Builder) -> io::Result<Packed> {
    let mut target = builder.into_inner()?.finish()?;
    target.inner.rewind()?;
    Ok(Packed {
        hash: target.hasher.finalize().to_hex().to_string(),
        bytes: target.bytes,
        content: target.inner,
    })
}

fn append(builder: &mut Builder, tree: &Tree, entry: &Entry) -> Result<(), PackError> {
    let failed = |obstacle: Obstacle| match obstacle.kind {
        ObstacleKind::FileSystem(_) => PackError::Failed(obstacle.named("source.files")),
        _ => PackError::Changed(obstacle.at),
    };
    let changed = || PackError::Changed(entry.path.clone());
    let path = LibraryPath::of("source.files", &entry.path).map_err(|_| changed())?;
    let (file, stat) = tree.file(&path).map_err(failed)?;
    if FileState::of(&stat) != entry.state {
        return Err(changed());
    }
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_size(entry.state.bytes);
    header.set_mode(if entry.state.is_executable {
        0o755
    } else {
        0o644
    });
    header.set_mtime(MODIFIED_S);
    header.set_uid(0);
    header.set_gid(0);
    let mut content = Padded {
        inner: file,
        left: entry.state.bytes,
        is_short: false,
    };
    builder
        .append_data(&mut header, &entry.path, &mut content)
        .map_err(|error| failed(Obstacle::file_system(&entry.path, error)))?;
    let stat = rustix::fs::fstat(&content.inner)
        .map_err(|error| failed(Obstacle::file_system(&entry.path, error)))?;
    if content.is_short || FileState::of(&stat) != entry.state {
        return Err(changed());
    }
    Ok(())
}

/// Exactly so many bytes of a file, zeros where it has become shorter.
struct Padded {
    inner: File,
    left: u64,
    is_short: bool,
}

impl Read for Padded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if wanted == 0 {
            return Ok(0);
        }
        let mut count = if self.is_short {
            0
        } else {
            self.inner.read(&mut buffer[..wanted])?
        };
        if count == 0 {
            self.is_short = true;
            buffer[..wanted].fill(0);
            count = wanted;
        }
        self.left -= count as u64;
        Ok(count)
    }
}

/// Hashes what it writes.
struct Hashing {
    inner: SpooledTempFile,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl Write for Hashing {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
