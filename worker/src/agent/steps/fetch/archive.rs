//! An archive or the library's files: downloaded, compared with their hash, unpacked.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use super::FetchRules;
use crate::agent::steps::unpack::{Limits, unpack};
use crate::agent::steps::{JobLog, Site, StepFailure};

/// Downloads and unpacks into the source folder what has this hash.
pub(super) fn fetch(
    hash: &str,
    site: &Site,
    rules: &FetchRules,
    log: &mut JobLog<impl Write>,
    download: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<(), StepFailure> {
    let path = site.folder().join("archive");
    download(&path)
        .map_err(|why| StepFailure::fetch(format!("cannot download the source: {why}")))?;
    let found = hash_of(&path).map_err(|error| {
        StepFailure::fetch(format!("cannot read the downloaded source: {error}"))
    })?;
    if !found.eq_ignore_ascii_case(hash) {
        return Err(StepFailure::fetch(format!(
            "the source arrived damaged: its hash is {found}, and not {hash}"
        )));
    }
    let limits = Limits {
        bytes_max: rules.bytes_max,
        ..Limits::default()
    };
    let unpacked = unpack(&path, &site.source(), &limits);
    // It is of no further use, and counts where space is short.
    let _ = std::fs::remove_file(&path);
    let unpacked = unpacked
        .map_err(|error| StepFailure::fetch(format!("cannot unpack the source: {error}")))?;
    let (files, bytes) = (unpacked.files, unpacked.bytes);
    log.say(&format!("unpacked {files} files, {bytes} bytes"));
    for note in unpacked.notes {
        log.say(&note);
    }
    Ok(())
}

fn hash_of(path: &Path) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok(hasher.finalize().to_hex().to_string())
}
