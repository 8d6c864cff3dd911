//! The frame around columns: version, number of items, and one packed section per column.

use super::ColumnsError;
use super::varint::{self, Reader};

/// Version of everything under `columns`. A change that old readers would misread raises it.
const VERSION: u8 = 1;

/// No section that a run within the limits can fill is longer.
const SECTION_BYTES_MAX: u64 = 2 * shared::limits::BODY_BYTES_MAX as u64;

/// Sections shorter than this are not worth a frame of zstd.
const PACK_BYTES_MIN: usize = 24;

/// zstd's level: the entropy coder does the work here, and it is as good on the first level.
const LEVEL: i32 = 1;

/// Columns before they are packed, or after they were unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sections {
    /// Number of items that the columns describe.
    pub(super) items: usize,
    sections: Vec<(u8, Vec<u8>)>,
}

impl Sections {
    pub(super) const fn new(items: usize) -> Self {
        Self {
            items,
            sections: Vec::new(),
        }
    }

    /// Adds a column. An empty one is left out.
    pub(super) fn push(&mut self, tag: u8, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.sections.push((tag, bytes));
        }
    }

    /// The column with this tag, `None` when it was left out.
    pub(super) fn get(&self, tag: u8) -> Option<&[u8]> {
        let found = self.sections.iter().find(|section| section.0 == tag)?;
        Some(&found.1)
    }

    /// Feeds the content to a hash: the same items give the same hash, however they are packed.
    pub fn feed(&self, hasher: &mut blake3::Hasher) {
        hasher.update(&[VERSION]);
        hasher.update(&(self.items as u64).to_le_bytes());
        for (tag, bytes) in &self.sections {
            hasher.update(&[*tag]);
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        }
    }

    /// The bytes to store.
    pub fn pack(&self) -> Vec<u8> {
        let mut packed = vec![VERSION];
        varint::put(&mut packed, self.items as u64);
        let mut compressor = zstd::bulk::Compressor::new(LEVEL).ok();
        for (tag, bytes) in &self.sections {
            packed.push(*tag);
            varint::put(&mut packed, bytes.len() as u64);
            let squeezed = compressor
                .as_mut()
                .filter(|_| bytes.len() >= PACK_BYTES_MIN)
                .and_then(|compressor| compressor.compress(bytes).ok())
                .filter(|squeezed| squeezed.len() < bytes.len());
            let stored = squeezed.as_deref().unwrap_or(bytes);
            varint::put(&mut packed, stored.len() as u64);
            packed.extend_from_slice(stored);
        }
        packed
    }

    /// Reads what [`Self::pack`] wrote.
    pub fn unpack(packed: &[u8]) -> Result<Self, ColumnsError> {
        let mut reader = Reader::new(packed);
        match reader.byte()? {
            VERSION => {}
            other => return Err(ColumnsError::Version(other)),
        }
        let items = reader.number()?;
        if items > shared::limits::RUN_CASES_MAX as u64 {
            return Err(ColumnsError::Impossible("number of items"));
        }
        let mut sections = Self::new(items as usize);
        while !reader.is_empty() {
            let tag = reader.byte()?;
            let length = reader.number()?;
            let stored = usize::try_from(reader.number()?).map_err(|_| ColumnsError::Short)?;
            let stored = reader.bytes(stored)?;
            if length > SECTION_BYTES_MAX {
                return Err(ColumnsError::Impossible("length"));
            }
            sections
                .sections
                .push((tag, unpack_section(stored, length as usize)?));
        }
        Ok(sections)
    }
}

fn unpack_section(stored: &[u8], length: usize) -> Result<Vec<u8>, ColumnsError> {
    if stored.len() == length {
        return Ok(stored.to_vec());
    }
    let bytes = zstd::bulk::decompress(stored, length)
        .map_err(|_| ColumnsError::Impossible("compression"))?;
    if bytes.len() != length {
        return Err(ColumnsError::Impossible("length"));
    }
    Ok(bytes)
}
