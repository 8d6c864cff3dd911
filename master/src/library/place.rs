//! Puts files into the library: all are checked before one is written, and each is replaced as a whole.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use rustix::fs::{AtFlags, Dir, Mode, OFlags};
use shared::limits::{LIBRARY_BYTES_MAX, LIBRARY_FILE_BYTES_MAX, LIBRARY_FILES_MAX};
use shared::validate::Invalid;

use super::LibraryError;
use super::rule::{LibraryPath, folded};
use super::tree::{Obstacle, ObstacleKind, Tree, kind, open_file, step};
use super::walk::{self, FileState};

/// What unfinished files are called: hidden, so that nobody takes one for a test.
const UNFINISHED: &str = ".pytest-platform-";

/// An unfinished file that is older belongs to a master that was killed.
const UNFINISHED_AGE_MAX: Duration = Duration::from_hours(1);

const FOLDER_MODE: Mode = Mode::from_bits_truncate(0o755);
const FILE_MODE: Mode = Mode::from_bits_truncate(0o644);

/// A file to be put into the library.
#[derive(Debug, Clone)]
pub struct NewFile {
    /// What an error about it names.
    pub field: String,
    /// Where to.
    pub path: LibraryPath,
    /// What is in it.
    pub content: Bytes,
}

/// What was there before.
#[derive(Debug, Clone)]
pub(super) enum Before {
    Nothing,
    /// A file that is too large to be kept as a version; only somebody with access to the file system can
    /// have put it there.
    Large,
    File(Bytes, FileState),
}

/// Checks that all files can be put where they belong, and answers what is there now. Changes nothing.
pub(super) fn check(tree: &Tree, files: &[NewFile]) -> Result<Vec<Before>, LibraryError> {
    check_among(files)?;
    let before: Vec<Before> = files
        .iter()
        .map(|file| check_one(tree, file))
        .collect::<Result<_, _>>()?;
    check_room(tree, files, &before)?;
    Ok(before)
}

/// No two files of an upload are the same file, one another's folder, or differ by case alone.
fn check_among(files: &[NewFile]) -> Result<(), LibraryError> {
    let mut known: BTreeMap<String, (String, bool)> = BTreeMap::new();
    for file in files {
        let refused = |reason: String| Err(Invalid::new(&file.field, reason).into());
        let parts: Vec<&str> = file.path.parts().collect();
        for length in 1..=parts.len() {
            let exact = parts[..length].join("/");
            let is_file = length == parts.len();
            match known.get(&folded(&exact)) {
                None => {
                    known.insert(folded(&exact), (exact, is_file));
                }
                Some((other, _)) if *other != exact => {
                    return refused(format!(
                        "`{exact}` and `{other}` of this upload differ by case alone"
                    ));
                }
                Some((_, other_is_file)) if is_file && *other_is_file => {
                    return refused(format!("`{exact}` is in this upload twice"));
                }
                Some((_, other_is_file)) if is_file != *other_is_file => {
                    return refused(format!(
                        "`{exact}` would have to be a file and a folder in this upload"
                    ));
                }
                Some(_) => {}
            }
        }
    }
    Ok(())
}

fn check_one(tree: &Tree, file: &NewFile) -> Result<Before, LibraryError> {
    if file.content.len() > LIBRARY_FILE_BYTES_MAX {
        let reason = format!("must have at most {LIBRARY_FILE_BYTES_MAX} bytes");
        return Err(Invalid::new(&file.field, reason).into());
    }
    let named = |obstacle: Obstacle| obstacle.named(&file.field);
    let (folders, name) = file.path.split();
    let mut folder = tree.folder(&[]).map_err(named)?;
    for (index, part) in folders.iter().enumerate() {
        let at = folders[..=index].join("/");
        refuse_collision(&folder, part, &at).map_err(|error| error.named(&file.field))?;
        folder = match step(&folder, part) {
            Ok(inner) => inner,
            Err(ObstacleKind::Missing) => return Ok(Before::Nothing),
            Err(kind) => return Err(named(Obstacle::new(&at, kind))),
        };
    }
    let at = file.path.as_str();
    refuse_collision(&folder, name, at).map_err(|error| error.named(&file.field))?;
    read_before(&folder, name).map_err(|kind| named(Obstacle::new(at, kind)))
}

/// The file that is there now, if one is.
pub(super) fn read_before(folder: &OwnedFd, name: &str) -> Result<Before, ObstacleKind> {
    let (file, stat) = match open_file(folder, name) {
        Ok(opened) => opened,
        Err(ObstacleKind::Missing) => return Ok(Before::Nothing),
        Err(kind) => return Err(kind),
    };
    let mut content = Vec::new();
    file.take(LIBRARY_FILE_BYTES_MAX as u64 + 1)
        .read_to_end(&mut content)
        .map_err(ObstacleKind::FileSystem)?;
    Ok(if content.len() > LIBRARY_FILE_BYTES_MAX {
        Before::Large
    } else {
        Before::File(content.into(), FileState::of(&stat))
    })
}

/// A name that is there already in another spelling.
enum Collision {
    With { wanted: String, there: String },
    Unreadable(Obstacle),
}

impl Collision {
    fn named(self, field: &str) -> LibraryError {
        match self {
            Self::With { wanted, there } => Invalid::new(
                field,
                format!(
                    "`{wanted}` differs by case alone from `{there}`, which is there already; some \
                     systems cannot tell them apart"
                ),
            )
            .into(),
            Self::Unreadable(obstacle) => obstacle.named(field),
        }
    }
}

fn refuse_collision(folder: &OwnedFd, name: &str, at: &str) -> Result<(), Collision> {
    let failed = |error| Collision::Unreadable(Obstacle::file_system(at, error));
    let wanted = folded(name);
    for item in Dir::read_from(folder).map_err(failed)? {
        let item = item.map_err(failed)?;
        let there = item.file_name().to_string_lossy();
        if there != name && folded(&there) == wanted {
            return Err(Collision::With {
                wanted: at.to_owned(),
                there: there.into_owned(),
            });
        }
    }
    Ok(())
}

fn check_room(tree: &Tree, files: &[NewFile], before: &[Before]) -> Result<(), LibraryError> {
    let there = walk::walk(tree)?;
    let new = before
        .iter()
        .filter(|before| matches!(before, Before::Nothing));
    if there.len() + new.count() > LIBRARY_FILES_MAX {
        return Err(LibraryError::Full(format!(
            "the library can have {LIBRARY_FILES_MAX} files at most; delete some first"
        )));
    }
    let replaced: u64 = before
        .iter()
        .map(|before| match before {
            Before::File(content, _) => content.len() as u64,
            _ => 0,
        })
        .sum();
    let there: u64 = there.iter().map(|entry| entry.state.bytes).sum();
    let new: u64 = files.iter().map(|file| file.content.len() as u64).sum();
    if there.saturating_sub(replaced) + new > LIBRARY_BYTES_MAX {
        return Err(LibraryError::Full(format!(
            "the library can have {LIBRARY_BYTES_MAX} bytes at most; delete some files first"
        )));
    }
    Ok(())
}

/// A file that is written and not yet in its place.
struct Waiting<'a> {
    folder: OwnedFd,
    unfinished: String,
    file: &'a NewFile,
}

/// Writes files that were checked while the tree was locked. All are on disk before the first takes its
/// place; nobody ever sees a part of one.
pub(super) fn place(tree: &Tree, files: &[&NewFile]) -> Result<(), LibraryError> {
    let mut made: Vec<(OwnedFd, String)> = Vec::new();
    let mut waiting: Vec<Waiting<'_>> = Vec::new();
    let outcome = write_all(tree, files, &mut made, &mut waiting);
    if outcome.is_err() {
        for file in &waiting {
            let _ = rustix::fs::unlinkat(&file.folder, &file.unfinished, AtFlags::empty());
        }
        for (parent, name) in made.iter().rev() {
            let _ = rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR);
        }
    }
    outcome
}

fn write_all<'a>(
    tree: &Tree,
    files: &[&'a NewFile],
    made: &mut Vec<(OwnedFd, String)>,
    waiting: &mut Vec<Waiting<'a>>,
) -> Result<(), LibraryError> {
    for file in files {
        let folder = make_folders(tree, file, made)?;
        remove_unfinished(&folder);
        let unfinished = format!("{UNFINISHED}{}.tmp", uuid::Uuid::now_v7().simple());
        waiting.push(Waiting {
            folder: folder.try_clone().map_err(|error| {
                Obstacle::file_system(file.path.as_str(), error).named(&file.field)
            })?,
            unfinished: unfinished.clone(),
            file,
        });
        write_unfinished(&folder, &unfinished, file)
            .map_err(|error| Obstacle::file_system(file.path.as_str(), error).named(&file.field))?;
    }
    for one in waiting {
        let name = one.file.path.name();
        rustix::fs::renameat(&one.folder, &one.unfinished, &one.folder, name)
            .and_then(|()| rustix::fs::fsync(&one.folder))
            .map_err(|error| {
                Obstacle::file_system(one.file.path.as_str(), error).named(&one.file.field)
            })?;
    }
    Ok(())
}

fn make_folders(
    tree: &Tree,
    file: &NewFile,
    made: &mut Vec<(OwnedFd, String)>,
) -> Result<OwnedFd, LibraryError> {
    let named = |obstacle: Obstacle| obstacle.named(&file.field);
    let (folders, _) = file.path.split();
    let mut folder = tree.folder(&[]).map_err(named)?;
    for (index, part) in folders.iter().enumerate() {
        let at = folders[..=index].join("/");
        let failed = |error: std::io::Error| named(Obstacle::file_system(&at, error));
        let inner = match step(&folder, part) {
            Err(ObstacleKind::Missing) => {
                rustix::fs::mkdirat(&folder, *part, FOLDER_MODE)
                    .map_err(|error| failed(error.into()))?;
                made.push((folder.try_clone().map_err(failed)?, (*part).to_owned()));
                rustix::fs::fsync(&folder).map_err(|error| failed(error.into()))?;
                step(&folder, part)
            }
            other => other,
        };
        folder = inner.map_err(|kind| named(Obstacle::new(&at, kind)))?;
    }
    Ok(folder)
}

fn write_unfinished(folder: &OwnedFd, name: &str, file: &NewFile) -> std::io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut unfinished = File::from(rustix::fs::openat(folder, name, flags, FILE_MODE)?);
    unfinished.write_all(&file.content)?;
    // What it replaces may be meant to be executed.
    if let Ok((_, stat)) = open_file(folder, file.path.name())
        && FileState::of(&stat).is_executable
    {
        rustix::fs::fchmod(&unfinished, FOLDER_MODE)?;
    }
    unfinished.sync_all()
}

/// Files that a killed master left.
fn remove_unfinished(folder: &OwnedFd) {
    let Ok(items) = Dir::read_from(folder) else {
        return;
    };
    for item in items.flatten() {
        let name = item.file_name();
        if !name.to_bytes().starts_with(UNFINISHED.as_bytes()) {
            continue;
        }
        let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
        let written = stat.map(|stat| FileState::of(&stat).modified_at());
        let is_old = written.is_ok_and(|written| {
            let age = SystemTime::now().duration_since(written.into());
            age.is_ok_and(|age| age > UNFINISHED_AGE_MAX)
        });
        if is_old {
            let _ = rustix::fs::unlinkat(folder, name, AtFlags::empty());
        }
    }
}

/// Deletes a file, and the folders around it that are empty then: nobody would see them, and they would be in
/// the way of a file of their name.
pub(super) fn remove(tree: &Tree, path: &LibraryPath) -> Result<(), LibraryError> {
    let named = |obstacle: Obstacle| obstacle.named("path");
    let (folders, name) = path.split();
    let folder = tree.folder(&folders).map_err(named)?;
    let at = path.as_str();
    match kind(folder.as_fd(), name) {
        Ok(rustix::fs::FileType::RegularFile) => {}
        Ok(rustix::fs::FileType::Symlink) => {
            return Err(named(Obstacle::new(at, ObstacleKind::Link)));
        }
        Ok(_) => return Err(named(Obstacle::new(at, ObstacleKind::NotAFile))),
        Err(kind) => return Err(named(Obstacle::new(at, kind))),
    }
    rustix::fs::unlinkat(&folder, name, AtFlags::empty())
        .and_then(|()| rustix::fs::fsync(&folder))
        .map_err(|error| named(Obstacle::file_system(at, error)))?;
    for length in (1..=folders.len()).rev() {
        let Ok(parent) = tree.folder(&folders[..length - 1]) else {
            break;
        };
        if rustix::fs::unlinkat(&parent, folders[length - 1], AtFlags::REMOVEDIR).is_err() {
            break;
        }
    }
    Ok(())
}
