//! Reading a journal back.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use shared::run::NewRun;

use super::entries::{End, Head, Origin};
use super::record::{self, Kind, Next, Records};
use super::shelf::{self, Claimed};
use crate::events::{Heard, Replay};

/// What a journal holds.
#[derive(Debug)]
pub struct Contents {
    /// Whose it is.
    pub head: Head,
    /// Where the run comes from, when that was found out in time.
    pub origin: Option<Origin>,
    /// What the plugin said.
    pub heard: Heard,
    /// Bytes of it.
    pub lines_bytes: u64,
    /// How it ended, when its worker lived to see it.
    pub end: Option<End>,
    /// The run as it was sent, where the plugin's lines are not all there.
    pub run: Option<Box<NewRun>>,
    /// Why its reader stopped before its end, and how many bytes are left out.
    pub damage: Option<(&'static str, u64)>,
    /// When it was written to.
    pub written_at: DateTime<Utc>,
}

impl Contents {
    /// Whether it holds all that its worker knew.
    pub fn is_whole(&self) -> bool {
        self.damage.is_none() && self.end.as_ref().is_some_and(|end| end.whole)
    }
}

/// Why there is nothing to be had from a journal.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The system says no.
    #[error("it cannot be read: {0}")]
    System(#[from] io::Error),
    /// Its worker was killed before it had written whose run it is.
    #[error("there is nothing in it")]
    Empty,
    /// Not even its beginning is sound.
    #[error("nothing in it can be used: {0}")]
    NoHead(&'static str),
}

impl Contents {
    /// Reads the journal in this folder, which may be growing.
    pub fn of(folder: &Path) -> Result<Self, Unreadable> {
        read_file(&File::open(folder.join(shelf::FILE))?)
    }

    /// Reads a journal that was claimed, from its beginning however often it was read before.
    pub fn of_claimed(claimed: &Claimed) -> Result<Self, Unreadable> {
        let mut file = &claimed.file;
        file.rewind()?;
        read_file(file)
    }
}

impl Head {
    /// Reads only whose journal it is in this folder.
    pub fn in_folder(folder: &Path) -> Result<Self, Unreadable> {
        let file = File::open(folder.join(shelf::FILE))?;
        head(&mut Records::new(BufReader::new(file)))
    }
}

fn read_file(file: &File) -> Result<Contents, Unreadable> {
    let found = file.metadata()?;
    let written_at = found.modified().unwrap_or(SystemTime::UNIX_EPOCH).into();
    read(BufReader::new(file), found.len(), written_at)
}

fn head(records: &mut Records<impl Read>) -> Result<Head, Unreadable> {
    match records.next()? {
        Next::Record(Some(Kind::Head), payload) => serde_json::from_slice(&payload)
            .map_err(|_| Unreadable::NoHead("its beginning cannot be understood")),
        Next::Record(..) => Err(Unreadable::NoHead("its beginning is missing")),
        Next::End | Next::Damage(record::CUT) => Err(Unreadable::Empty),
        Next::Damage(reason) => Err(Unreadable::NoHead(reason)),
    }
}

/// Reads a journal of this many bytes.
pub(super) fn read(
    from: impl Read,
    bytes: u64,
    written_at: DateTime<Utc>,
) -> Result<Contents, Unreadable> {
    let mut records = Records::new(from);
    let head = head(&mut records)?;
    let mut replay = Replay::default();
    let (mut origin, mut end, mut run, mut lines_bytes) = (None, None, None, 0);
    let damage = loop {
        match records.next()? {
            Next::Record(Some(Kind::Lines), lines) => {
                lines_bytes += lines.len() as u64;
                replay.take(&lines);
            }
            Next::Record(Some(Kind::Origin), json) => {
                origin = serde_json::from_slice(&json).ok().or(origin);
            }
            Next::Record(Some(Kind::End), json) => end = serde_json::from_slice(&json).ok(),
            Next::Record(Some(Kind::Run), json) => run = serde_json::from_slice(&json).ok(),
            // What a newer version adds is not needed for what this one knows.
            Next::Record(..) => {}
            Next::End => break None,
            Next::Damage(reason) => {
                break Some((reason, bytes.saturating_sub(records.sound_bytes)));
            }
        }
    };
    Ok(Contents {
        head,
        origin,
        heard: replay.finish(),
        lines_bytes,
        end,
        run,
        damage,
        written_at,
    })
}
