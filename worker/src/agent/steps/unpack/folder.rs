//! The folder that an archive goes into, written to without following any link.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat, symlinkat};
use rustix::io::Errno;

use super::limits::Meter;
use super::{Refused, entry_path};

/// How folders are opened: never through a link.
const FOLDER: OFlags = OFlags::DIRECTORY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC)
    .union(OFlags::RDONLY);

/// How files are made: only new ones.
const FILE: OFlags = OFlags::WRONLY
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// A symbolic link that is made at the end.
#[derive(Debug)]
pub(super) struct Link {
    /// Its path, part by part.
    pub(super) path: Vec<String>,
    /// Where it leads; checked.
    pub(super) target: String,
}

/// An open folder.
#[derive(Debug)]
pub(super) struct Folder(OwnedFd);

impl Folder {
    /// Opens one that is there.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(openat(CWD, path, FOLDER, Mode::empty())?))
    }

    /// Makes the folder at this path, and those on the way.
    pub(super) fn make(&self, parts: &[String]) -> Result<(), Refused> {
        self.below(parts)
            .map(drop)
            .map_err(|error| wrong(parts, error))
    }

    fn below(&self, parts: &[String]) -> Result<Option<OwnedFd>, Errno> {
        let mut current: Option<OwnedFd> = None;
        for part in parts {
            let parent = current.as_ref().map_or(self.0.as_fd(), AsFd::as_fd);
            let opened = match openat(parent, part, FOLDER, Mode::empty()) {
                Err(Errno::NOENT) => {
                    mkdirat(parent, part, Mode::from_raw_mode(0o755))?;
                    openat(parent, part, FOLDER, Mode::empty())?
                }
                other => other?,
            };
            current = Some(opened);
        }
        Ok(current)
    }

    /// Makes a new file out of what `from` gives.
    pub(super) fn write(
        &self,
        parts: &[String],
        is_program: bool,
        mut from: impl Read,
        meter: &mut Meter<'_>,
    ) -> Result<(), Refused> {
        let Some((name, parents)) = parts.split_last() else {
            return Ok(());
        };
        let parent = self.below(parents).map_err(|error| wrong(parts, error))?;
        let parent = parent.as_ref().map_or(self.0.as_fd(), AsFd::as_fd);
        let mode = if is_program { 0o755 } else { 0o644 };
        let file = openat(parent, name, FILE, Mode::from_raw_mode(mode));
        let mut file = File::from(file.map_err(|error| wrong(parts, error))?);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = from
                .read(&mut buffer)
                .map_err(|error| Refused::Unreadable(format!("it is damaged: {error}")))?;
            let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            meter.bytes(count as u64)?;
            file.write_all(bytes).map_err(|error| Refused::Write {
                name: parts.join("/"),
                error,
            })?;
        }
        meter.file();
        Ok(())
    }

    /// Makes the links, when everything else is there.
    pub(super) fn link(&self, links: &[Link]) -> Result<(), Refused> {
        for Link { path, target } in links {
            let Some((name, parents)) = path.split_last() else {
                continue;
            };
            let parent = self.below(parents).map_err(|error| wrong(path, error))?;
            let parent = parent.as_ref().map_or(self.0.as_fd(), AsFd::as_fd);
            symlinkat(target, parent, name).map_err(|error| wrong(path, error))?;
        }
        Ok(())
    }
}

impl Link {
    /// Checks where a link leads.
    pub(super) fn read(
        path: Vec<String>,
        target: &[u8],
        meter: &Meter<'_>,
    ) -> Result<Self, Refused> {
        let levels = path.len().saturating_sub(1);
        entry_path::check_target(target, levels, meter.limits).map_err(|why| Refused::Entry {
            name: path.join("/"),
            why,
        })?;
        let target = String::from_utf8_lossy(target).into_owned();
        Ok(Self { path, target })
    }
}

fn wrong(parts: &[String], error: Errno) -> Refused {
    let name = parts.join("/");
    let why = match error {
        Errno::EXIST => "there is something of that name already",
        Errno::NOTDIR | Errno::LOOP => "a file or link is in the place of a folder",
        other => {
            let error = other.into();
            return Refused::Write { name, error };
        }
    };
    let why = why.to_owned();
    Refused::Entry { name, why }
}
