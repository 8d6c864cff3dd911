//! Archives from outside, unpacked so that nothing outside of the folder changes.
//!
//! Every name is checked before anything is made of it, every folder on the way is opened without
//! following links, files are only ever made new, and what comes out is counted against limits while
//! it comes. Symbolic links are made last, and only such that cannot leave the folder.

mod entry_path;
mod folder;
mod limits;
mod tar_entries;
mod zip_entries;

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

use folder::Folder;
pub(super) use limits::Limits;
use limits::Meter;

/// Why an archive is not unpacked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// It is no archive of a kind that is known, or it is damaged.
    #[error("{0}")]
    Unreadable(String),
    /// An entry is not taken.
    #[error("{name:?} is not taken: {why}")]
    Entry { name: String, why: String },
    /// It holds too much.
    #[error("{0}")]
    Limit(String),
    /// The agent's disk.
    #[error("{name:?} cannot be written: {error}")]
    Write { name: String, error: io::Error },
}

/// What came out of an archive.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Unpacked {
    pub(super) files: u64,
    pub(super) bytes: u64,
    /// What was left out, in words.
    pub(super) notes: Vec<String>,
}

/// Bytes at the beginning that tell the kinds apart.
const HEAD_BYTES: u64 = 512;

/// Unpacks a zip, tar, tar.gz or tar.zst into an empty folder.
pub(super) fn unpack(archive: &Path, into: &Path, limits: &Limits) -> Result<Unpacked, Refused> {
    let unreadable = |error: io::Error| Refused::Unreadable(format!("it cannot be read: {error}"));
    let mut file = File::open(archive).map_err(unreadable)?;
    let packed = file.metadata().map_err(unreadable)?.len();
    let mut head = Vec::new();
    file.by_ref()
        .take(HEAD_BYTES)
        .read_to_end(&mut head)
        .map_err(unreadable)?;
    file.rewind().map_err(unreadable)?;
    let folder = Folder::open(into).map_err(|error| Refused::Write {
        name: String::new(),
        error,
    })?;
    let mut meter = Meter::new(limits, packed);
    let file = BufReader::new(file);
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        zip_entries::unpack(file, &folder, &mut meter)?;
    } else if head.starts_with(&[0x1f, 0x8b]) {
        let plain = flate2::bufread::MultiGzDecoder::new(file);
        tar_entries::unpack(plain, &folder, &mut meter)?;
    } else if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        let plain = zstd::stream::read::Decoder::with_buffer(file).map_err(unreadable)?;
        tar_entries::unpack(plain, &folder, &mut meter)?;
    } else if head.get(257..262) == Some(b"ustar") {
        tar_entries::unpack(file, &folder, &mut meter)?;
    } else {
        return Err(Refused::Unreadable(
            "it is no zip, tar.gz, tar.zst or tar".to_owned(),
        ));
    }
    Ok(meter.into_unpacked())
}

#[cfg(test)]
mod tests;
