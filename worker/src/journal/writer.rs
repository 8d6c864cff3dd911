//! The writing half of a journal: what the disk did not take yet stays here, and is tried again.

use std::io;
use std::sync::Arc;

use super::disk::DiskFile;
use super::record::{self, Kind, MARK, PAYLOAD_BYTES_MAX};

/// Most bytes that wait for a disk that takes nothing.
const WAITING_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What the file has, and what it should have.
#[derive(Debug)]
pub(super) struct Writer {
    file: Arc<dyn DiskFile>,
    /// Bytes that the file has for certain.
    written_bytes: u64,
    /// Records that it has.
    written_records: u64,
    waiting: Vec<u8>,
    waiting_records: u64,
    lines_bytes: u64,
    lines_bytes_max: u64,
    /// It stopped because of that limit, and not because of the disk.
    is_limited: bool,
    /// Why it takes no more lines.
    stopped: Option<String>,
    /// Why the disk took nothing, the last time it was asked.
    refused: Option<String>,
}

impl Writer {
    /// A new journal in an empty file.
    pub(super) fn new(file: Arc<dyn DiskFile>, lines_bytes_max: u64) -> Self {
        Self {
            file,
            written_bytes: 0,
            written_records: 0,
            waiting: MARK.to_vec(),
            waiting_records: 0,
            lines_bytes: 0,
            lines_bytes_max,
            is_limited: false,
            stopped: None,
            refused: None,
        }
    }

    /// Appends lines, unless the journal stopped or stops now because of its limit.
    pub(super) fn lines(&mut self, pieces: &[&[u8]]) {
        let bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
        if self.stopped.is_some() || bytes == 0 {
            return;
        }
        self.lines_bytes += bytes as u64;
        if self.lines_bytes > self.lines_bytes_max || bytes > PAYLOAD_BYTES_MAX {
            let most = size(self.lines_bytes_max);
            self.is_limited = true;
            self.stop(format!("it reached its limit of {most}"));
            return;
        }
        self.record(Kind::Lines, pieces);
    }

    /// Appends a record that is no lines; these are few, and no limit stops them. Answers whether
    /// the file has it now.
    pub(super) fn record(&mut self, kind: Kind, pieces: &[&[u8]]) -> bool {
        let place = self.written_records + self.waiting_records;
        record::encode(&mut self.waiting, place, kind, pieces);
        self.waiting_records += 1;
        let written = self.write();
        if let Err(error) = &written
            && self.waiting.len() > WAITING_BYTES_MAX
        {
            self.stop(error.to_string());
        }
        written.is_ok()
    }

    /// Tries to write what waits.
    pub(super) fn write(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        // Always at the place where the last success ended: the torn rest of a failure is
        // overwritten.
        if let Err(error) = self.file.write_at(&self.waiting, self.written_bytes) {
            self.refused = Some(error.to_string());
            return Err(error);
        }
        self.refused = None;
        self.written_bytes += self.waiting.len() as u64;
        self.written_records += self.waiting_records;
        self.waiting.clear();
        self.waiting.shrink_to(1024 * 1024);
        self.waiting_records = 0;
        Ok(())
    }

    /// Forgets what the disk did not take, and takes no more lines. Answers whether there is a
    /// journal to which something can still be added.
    pub(super) fn give_up_what_waits(&mut self) -> bool {
        if let Some(reason) = self.refused.clone() {
            self.stop(reason);
        }
        self.written_records > 0
    }

    /// Takes no more lines, and forgets those that wait: a gap must not be papered over.
    fn stop(&mut self, reason: String) {
        self.stopped.get_or_insert(reason);
        if self.written_records > 0 {
            self.waiting = Vec::new();
            self.waiting_records = 0;
        }
    }

    /// Whether every line that came is in the file, or waits for it.
    pub(super) fn is_whole(&self) -> bool {
        self.stopped.is_none()
    }

    /// Whether the file has every record that it should have.
    pub(super) const fn is_written(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Why it is not whole, or not written, and what to do about it.
    pub(super) fn trouble(&self) -> Option<String> {
        let reason = self.stopped.as_deref().or(self.refused.as_deref())?;
        let advice = if self.is_limited {
            "see WORKER_STATE_BYTES_MAX"
        } else {
            "make room there, or set WORKER_STATE_DIR to a folder with more"
        };
        Some(format!("{reason}; {advice}"))
    }

    pub(super) const fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    pub(super) fn file(&self) -> Arc<dyn DiskFile> {
        Arc::clone(&self.file)
    }
}

/// A number of bytes for people.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut amount = bytes as f64 / 1024.0;
    let mut unit = 0;
    while amount >= 1024.0 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    let shown = format!("{amount:.1}");
    format!(
        "{} {}",
        shown.strip_suffix(".0").unwrap_or(&shown),
        UNITS[unit]
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::disk::Disk as _;
    use crate::journal::record::{Next, Records};

    fn file(folder: &std::path::Path) -> Arc<dyn DiskFile> {
        let disk = crate::journal::disk::SystemDisk;
        disk.create(&folder.join("journal")).unwrap()
    }

    fn records(folder: &std::path::Path) -> Vec<(Kind, Vec<u8>)> {
        let mut records = Records::new(std::fs::File::open(folder.join("journal")).unwrap());
        let mut found = Vec::new();
        loop {
            match records.next().unwrap() {
                Next::Record(kind, payload) => found.push((kind.unwrap(), payload)),
                Next::End => return found,
                Next::Damage(reason) => panic!("{reason}"),
            }
        }
    }

    #[test]
    fn past_its_limit_it_takes_no_lines_and_still_an_end() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(file(folder.path()), 5);
        writer.lines(&[b"abc\n"]);
        assert!(writer.is_whole());
        writer.lines(&[b"de\n"]);
        writer.lines(&[b"f\n"]);
        writer.record(Kind::End, &[b"{}"]);
        assert!(!writer.is_whole());
        let expected = "it reached its limit of 5 B; see WORKER_STATE_BYTES_MAX";
        assert_eq!(writer.trouble().as_deref(), Some(expected));
        let found = records(folder.path());
        let expected = [
            (Kind::Lines, b"abc\n".to_vec()),
            (Kind::End, b"{}".to_vec()),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn sizes_are_told_in_the_unit_that_suits_them() {
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(512 * 1024 * 1024), "512 MiB");
        assert_eq!(size(1536), "1.5 KiB");
    }
}
