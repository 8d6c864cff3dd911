//! What became of a run, in a file beside its journal: the journal itself need not be read, or be
//! readable, to know it.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

const FILE: &str = "fate.json";

/// What a master made of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It has it.
    Uploaded {
        /// Since when.
        at: DateTime<Utc>,
    },
    /// It refuses it for good.
    Refused {
        /// When it did.
        at: DateTime<Utc>,
        /// In its own words.
        reason: String,
    },
}

impl Fate {
    /// Reads it. A file that was cut says nothing: the run is then sent once more, without harm.
    pub(super) fn of(folder: &Path) -> Option<Self> {
        let text = std::fs::read(folder.join(FILE)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Writes it.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let text = serde_json::to_vec(self)?;
        options.open(folder.join(FILE))?.write_all(&text)
    }
}
