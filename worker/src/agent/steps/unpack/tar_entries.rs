//! tar: entry by entry, as they come.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use tar::{Archive, Entry, EntryType};

use super::Refused;
use super::entry_path::{self, Named};
use super::folder::{Folder, Link};
use super::limits::Meter;

/// What may lie between two entries: their headers, with long names and attributes.
const HEADER_BYTES_MAX: u64 = 1024 * 1024;

/// Unpacks what `plain` gives.
pub(super) fn unpack(
    plain: impl Read,
    folder: &Folder,
    meter: &mut Meter<'_>,
) -> Result<(), Refused> {
    let left = Rc::new(Cell::new(HEADER_BYTES_MAX));
    let rationed = Rationed {
        from: plain,
        left: Rc::clone(&left),
    };
    let mut archive = Archive::new(rationed);
    let mut links = Vec::new();
    let mut entries = archive.entries().map_err(damaged)?;
    loop {
        // Names are kept in memory: a packed terabyte must not become one.
        left.set(HEADER_BYTES_MAX);
        let Some(entry) = entries.next() else {
            break;
        };
        let entry = entry.map_err(damaged)?;
        left.set(u64::MAX);
        meter.entry()?;
        take(entry, folder, &mut links, meter)?;
    }
    folder.link(&links)
}

fn take(
    mut entry: Entry<'_, impl Read>,
    folder: &Folder,
    links: &mut Vec<Link>,
    meter: &mut Meter<'_>,
) -> Result<(), Refused> {
    let name = entry.path_bytes().into_owned();
    let shown = String::from_utf8_lossy(&name).into_owned();
    let refuse = |why: String| Refused::Entry {
        name: shown.clone(),
        why,
    };
    let kind = entry.header().entry_type();
    if kind == EntryType::XGlobalHeader {
        return Ok(());
    }
    let parts = match entry_path::read(&name, meter.limits).map_err(refuse)? {
        Named::Below(parts) => parts,
        Named::Root if kind == EntryType::Directory => return Ok(()),
        Named::Root => return Err(refuse("it has no name".to_owned())),
        Named::LeftOut => {
            // What is skipped is unpacked all the same, and counts.
            let count = io::copy(&mut Counted(&mut entry, meter), &mut io::sink());
            count.map_err(|error| Refused::Limit(error.to_string()))?;
            meter.note(format!("left out: {shown}"));
            return Ok(());
        }
    };
    match kind {
        EntryType::Directory => folder.make(&parts),
        EntryType::Regular | EntryType::Continuous => {
            let mode = entry.header().mode().map_err(damaged)?;
            folder.write(&parts, mode & 0o100 != 0, entry, meter)
        }
        EntryType::Symlink => {
            let target = entry.link_name_bytes().unwrap_or_default();
            links.push(Link::read(parts, &target, meter)?);
            Ok(())
        }
        other => Err(refuse(format!("{} is not taken", kind_in_words(other)))),
    }
}

fn kind_in_words(kind: EntryType) -> &'static str {
    match kind {
        EntryType::Link => "a hard link (pack it as a file of its own: tar --hard-dereference)",
        EntryType::Char | EntryType::Block => "a device",
        EntryType::Fifo => "a named pipe",
        EntryType::GNUSparse => "a file with holes (pack it without --sparse)",
        _ => "an entry of an unknown kind",
    }
}

fn damaged(error: impl std::fmt::Display) -> Refused {
    Refused::Unreadable(format!("it is damaged: {error}"))
}

/// Counts what is read.
struct Counted<'a, 'b, R>(R, &'a mut Meter<'b>);

impl<R: Read> Read for Counted<'_, '_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(buffer)?;
        self.1.bytes(count as u64).map_err(io::Error::other)?;
        Ok(count)
    }
}

/// Gives no more than there is left.
struct Rationed<R> {
    from: R,
    left: Rc<Cell<u64>>,
}

impl<R: Read> Read for Rationed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.get();
        if left == 0 {
            return Err(io::Error::other(format!(
                "a header is longer than {HEADER_BYTES_MAX} bytes"
            )));
        }
        let longest = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let count = self
            .from
            .read(buffer.get_mut(..longest).unwrap_or_default())?;
        if left != u64::MAX {
            self.left.set(left - count as u64);
        }
        Ok(count)
    }
}
