//! zip: entry by entry, as its directory lists them.

use std::io::{Read, Seek};

use zip::ZipArchive;
use zip::read::ZipFile;

use super::Refused;
use super::entry_path::{self, Named};
use super::folder::{Folder, Link};
use super::limits::Meter;

/// The kind of a file in a Unix mode, and those that are known.
const KIND: u32 = 0o170_000;
const KIND_FOLDER: u32 = 0o040_000;
const KIND_FILE: u32 = 0o100_000;
const KIND_LINK: u32 = 0o120_000;

/// Unpacks a zip.
pub(super) fn unpack(
    file: impl Read + Seek,
    folder: &Folder,
    meter: &mut Meter<'_>,
) -> Result<(), Refused> {
    let mut archive = ZipArchive::new(file).map_err(damaged)?;
    if archive.has_overlapping_files().map_err(damaged)? {
        return Err(Refused::Unreadable("its entries overlap".to_owned()));
    }
    let mut links = Vec::new();
    for at in 0..archive.len() {
        meter.entry()?;
        let entry = archive.by_index(at).map_err(damaged)?;
        take(entry, folder, &mut links, meter)?;
    }
    folder.link(&links)
}

fn take(
    mut entry: ZipFile<'_, impl Read>,
    folder: &Folder,
    links: &mut Vec<Link>,
    meter: &mut Meter<'_>,
) -> Result<(), Refused> {
    let name = entry.name_raw().to_vec();
    let shown = String::from_utf8_lossy(&name).into_owned();
    let refuse = |why: String| Refused::Entry {
        name: shown.clone(),
        why,
    };
    let mode = entry.unix_mode().unwrap_or(0);
    let is_folder = entry.is_dir() || mode & KIND == KIND_FOLDER;
    let parts = match entry_path::read(&name, meter.limits).map_err(refuse)? {
        Named::Below(parts) => parts,
        Named::Root if is_folder => return Ok(()),
        Named::Root => return Err(refuse("it has no name".to_owned())),
        Named::LeftOut => {
            meter.note(format!("left out: {shown}"));
            return Ok(());
        }
    };
    if is_folder {
        return folder.make(&parts);
    }
    match mode & KIND {
        0 | KIND_FILE => folder.write(&parts, mode & 0o100 != 0, entry, meter),
        KIND_LINK => {
            let mut target = Vec::new();
            let longest = meter.limits.path_bytes_max as u64 + 1;
            entry
                .by_ref()
                .take(longest)
                .read_to_end(&mut target)
                .map_err(damaged)?;
            links.push(Link::read(parts, &target, meter)?);
            Ok(())
        }
        _ => Err(refuse("only files, folders and links are taken".to_owned())),
    }
}

fn damaged(error: impl std::fmt::Display) -> Refused {
    Refused::Unreadable(format!("it is damaged: {error}"))
}
