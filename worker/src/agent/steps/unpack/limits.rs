//! How much an archive may hold.

use super::{Refused, Unpacked};

/// What an archive may unpack to for each byte of its own; only asked beyond [`RATIO_FROM_BYTES`].
const RATIO_MAX: u64 = 200;

/// Less than this does no harm, however well it was packed.
const RATIO_FROM_BYTES: u64 = 64 * 1024 * 1024;

/// How many notes about what was left out are made.
const NOTES_MAX: usize = 20;

/// Limits of one archive.
#[derive(Debug, Clone)]
#[expect(clippy::struct_field_names, reason = "limits end in `_max` everywhere")]
pub(in crate::agent::steps) struct Limits {
    /// Most bytes of all files.
    pub(in crate::agent::steps) bytes_max: u64,
    /// Most entries of whatever kind.
    pub(in crate::agent::steps) entries_max: u64,
    /// Longest name.
    pub(in crate::agent::steps) path_bytes_max: usize,
    /// Longest part of a name.
    pub(in crate::agent::steps) part_bytes_max: usize,
    /// Most folders in one another.
    pub(in crate::agent::steps) depth_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes_max: 2 * 1024 * 1024 * 1024,
            entries_max: 100_000,
            path_bytes_max: 1024,
            part_bytes_max: 255,
            depth_max: 32,
        }
    }
}

/// Counts what comes out of an archive.
#[derive(Debug)]
pub(super) struct Meter<'a> {
    pub(super) limits: &'a Limits,
    packed: u64,
    entries: u64,
    unpacked: Unpacked,
}

impl<'a> Meter<'a> {
    /// For an archive of `packed` bytes.
    pub(super) fn new(limits: &'a Limits, packed: u64) -> Self {
        Self {
            limits,
            packed,
            entries: 0,
            unpacked: Unpacked::default(),
        }
    }

    /// Counts an entry.
    pub(super) fn entry(&mut self) -> Result<(), Refused> {
        self.entries += 1;
        if self.entries > self.limits.entries_max {
            let entries_max = self.limits.entries_max;
            return Err(Refused::Limit(format!(
                "it holds more than {entries_max} entries"
            )));
        }
        Ok(())
    }

    /// Counts a file.
    pub(super) fn file(&mut self) {
        self.unpacked.files += 1;
    }

    /// Counts bytes before they are written.
    pub(super) fn bytes(&mut self, count: u64) -> Result<(), Refused> {
        self.unpacked.bytes = self.unpacked.bytes.saturating_add(count);
        let bytes = self.unpacked.bytes;
        if bytes > self.limits.bytes_max {
            let mib = self.limits.bytes_max / (1024 * 1024);
            return Err(Refused::Limit(format!(
                "it unpacks to more than {mib} MiB (--fetch-max)"
            )));
        }
        if bytes > RATIO_FROM_BYTES && bytes / RATIO_MAX > self.packed {
            return Err(Refused::Limit(format!(
                "it unpacks to more than {RATIO_MAX} times its own size"
            )));
        }
        Ok(())
    }

    /// Notes what was left out.
    pub(super) fn note(&mut self, note: String) {
        if self.unpacked.notes.len() < NOTES_MAX {
            self.unpacked.notes.push(note);
        }
    }

    pub(super) fn into_unpacked(self) -> Unpacked {
        self.unpacked
    }
}
