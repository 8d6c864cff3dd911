//! Columns of what few cases have: their values alone, in the order of the cases that have them.

use rustc_hash::FxHashMap;

use shared::outcome::Outcome;

use super::ColumnsError;
use super::varint::{self, Reader};

/// Texts, each distinct one written once.
#[derive(Default)]
pub(super) struct TextWriter<'a> {
    bytes: Vec<u8>,
    known: FxHashMap<&'a str, u64>,
}

impl<'a> TextWriter<'a> {
    /// Appends a text: its number when it was there before, else 0 and the text.
    pub(super) fn put(&mut self, text: &'a str) {
        let next = self.known.len() as u64 + 1;
        match self.known.entry(text) {
            std::collections::hash_map::Entry::Occupied(known) => {
                varint::put(&mut self.bytes, *known.get());
            }
            std::collections::hash_map::Entry::Vacant(new) => {
                new.insert(next);
                self.bytes.push(0);
                varint::put_text(&mut self.bytes, text);
            }
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads texts: the distinct ones, and for each item the position of its text among them.
pub(super) fn texts(bytes: &[u8], items: usize) -> Result<(Vec<String>, Vec<u32>), ColumnsError> {
    let mut reader = Reader::new(bytes);
    let mut distinct: Vec<String> = Vec::new();
    let mut positions = Vec::new();
    for _ in 0..items {
        let number = reader.number()? as usize;
        if number == 0 {
            distinct.push(reader.text()?.to_owned());
            positions.push(distinct.len() as u32 - 1);
        } else if number <= distinct.len() {
            positions.push(number as u32 - 1);
        } else {
            return Err(ColumnsError::Impossible("text number"));
        }
    }
    Ok((distinct, positions))
}

/// Appends one case's list of outcomes.
pub(super) fn put_outcomes(bytes: &mut Vec<u8>, outcomes: &[Outcome]) {
    varint::put(bytes, outcomes.len() as u64);
    bytes.extend(outcomes.iter().map(|outcome| *outcome as u8));
}

/// Reads the lists of outcomes of `items` cases.
pub(super) fn outcomes(bytes: &[u8], items: usize) -> Result<Vec<Vec<Outcome>>, ColumnsError> {
    let mut reader = Reader::new(bytes);
    let mut lists = Vec::new();
    for _ in 0..items {
        let length = usize::try_from(reader.number()?).map_err(|_| ColumnsError::Short)?;
        let codes = reader.bytes(length)?.iter();
        let list = codes.map(|code| Outcome::from_code(*code));
        lists.push(
            list.collect::<Option<_>>()
                .ok_or(ColumnsError::Impossible("outcome"))?,
        );
    }
    Ok(lists)
}

/// Reads groups of `N` small numbers, one group a case.
pub(super) fn numbers<const N: usize>(
    bytes: &[u8],
    items: usize,
) -> Result<Vec<[u32; N]>, ColumnsError> {
    let mut reader = Reader::new(bytes);
    let mut groups = Vec::new();
    for _ in 0..items {
        let mut group = [0; N];
        for number in &mut group {
            *number = reader.small()?;
        }
        groups.push(group);
    }
    Ok(groups)
}
