//! The layout of a run: which tests it had, and where each is defined. Runs of the same tests share
//! one, so a run's own columns hold only what became of them.

use shared::limits;

use super::ColumnsError;
use super::sections::Sections;
use super::sparse;
use super::varint::{self, Reader};

mod tag {
    pub(super) const IDS: u8 = 1;
    pub(super) const FILES: u8 = 2;
    pub(super) const FILE_NAMES: u8 = 3;
    pub(super) const LINES: u8 = 4;
    pub(super) const MARKERS: u8 = 5;
}

/// How a file is written: not at all, as the part of the nodeid before `::`, or as a text.
mod file {
    pub(super) const NONE: u8 = 0;
    pub(super) const FROM_NODEID: u8 = 1;
    pub(super) const NAMED: u8 = 2;
}

/// One test of a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayoutItem<'a> {
    /// Its id in the dictionary.
    pub test: i64,
    /// Its nodeid.
    pub nodeid: &'a str,
    /// Its source file.
    pub file: Option<&'a str>,
    /// Its line, from 1.
    pub line: Option<u32>,
    /// Its markers.
    pub markers: &'a [String],
}

/// Writes the columns of a layout; the items are sorted by test, each test there once.
pub fn encode_layout(items: &[LayoutItem<'_>]) -> Sections {
    let mut ids = Vec::with_capacity(items.len() + 8);
    let mut files = Vec::with_capacity(items.len());
    let mut file_names = sparse::TextWriter::default();
    let mut lines = Vec::with_capacity(2 * items.len());
    let (mut id_before, mut line_before) = (0, 0);
    for item in items {
        varint::put(&mut ids, item.test.wrapping_sub(id_before) as u64);
        id_before = item.test;
        files.push(match item.file {
            None => file::NONE,
            Some(name) if name == file_of(item.nodeid) => file::FROM_NODEID,
            Some(name) => {
                file_names.put(name);
                file::NAMED
            }
        });
        let distance = item.line.map(|line| i64::from(line) - line_before);
        varint::put_optional(&mut lines, distance.map(varint::zigzag));
        line_before = item.line.map_or(line_before, i64::from);
    }
    let mut sections = Sections::new(items.len());
    sections.push(tag::IDS, ids);
    if items.iter().any(|item| item.file.is_some()) {
        sections.push(tag::FILES, files);
        sections.push(tag::FILE_NAMES, file_names.finish());
    }
    if items.iter().any(|item| item.line.is_some()) {
        sections.push(tag::LINES, lines);
    }
    sections.push(tag::MARKERS, encode_markers(items));
    sections
}

/// Each distinct list of markers is written once, then named by its number.
fn encode_markers(items: &[LayoutItem<'_>]) -> Vec<u8> {
    if items.iter().all(|item| item.markers.is_empty()) {
        return Vec::new();
    }
    let mut bytes = Vec::with_capacity(items.len() + 64);
    let mut known: rustc_hash::FxHashMap<&[String], u64> = rustc_hash::FxHashMap::default();
    for item in items {
        if item.markers.is_empty() {
            varint::put(&mut bytes, 0);
            continue;
        }
        let next = known.len() as u64 + 2;
        if let Some(number) = known.get(item.markers) {
            varint::put(&mut bytes, *number);
            continue;
        }
        known.insert(item.markers, next);
        varint::put(&mut bytes, 1);
        varint::put(&mut bytes, item.markers.len() as u64);
        for marker in item.markers {
            varint::put_text(&mut bytes, marker);
        }
    }
    bytes
}

fn file_of(nodeid: &str) -> &str {
    nodeid.split_once("::").map_or(nodeid, |parts| parts.0)
}

/// A layout, read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    tests: Vec<i64>,
    files: Vec<u8>,
    file_names: Vec<String>,
    named_files: Vec<(u32, u32)>,
    lines: Vec<u32>,
    markers: Vec<u32>,
    marker_lists: Vec<Vec<String>>,
}

impl Layout {
    /// Reads the columns of a layout.
    pub fn decode(sections: &Sections) -> Result<Self, ColumnsError> {
        let items = sections.items;
        let files = sections.get(tag::FILES).unwrap_or_default().to_vec();
        if !files.is_empty() && files.len() != items {
            return Err(ColumnsError::Short);
        }
        let named: Vec<u32> = files
            .iter()
            .enumerate()
            .filter(|item| *item.1 >= file::NAMED)
            .map(|item| item.0 as u32)
            .collect();
        let texts = sections.get(tag::FILE_NAMES).unwrap_or_default();
        let (file_names, of_named) = sparse::texts(texts, named.len())?;
        let (marker_lists, markers) = decode_markers(sections)?;
        Ok(Self {
            tests: decode_ids(sections)?,
            files,
            file_names,
            named_files: named.into_iter().zip(of_named).collect(),
            lines: decode_lines(sections)?,
            markers,
            marker_lists,
        })
    }

    /// Ids of the tests, ascending. A test's place here is its position in the run.
    pub fn tests(&self) -> &[i64] {
        &self.tests
    }

    /// Position of a test.
    pub fn position(&self, test: i64) -> Option<usize> {
        self.tests.binary_search(&test).ok()
    }

    /// The source file of the test at a position, its nodeid given.
    pub fn file<'a>(&'a self, position: usize, nodeid: &'a str) -> Option<&'a str> {
        match *self.files.get(position)? {
            file::NONE => None,
            file::FROM_NODEID => Some(file_of(nodeid)),
            _ => {
                let found = self
                    .named_files
                    .binary_search_by_key(&(position as u32), |named| named.0)
                    .ok()?;
                let number = self.named_files[found].1 as usize;
                Some(self.file_names.get(number)?.as_str())
            }
        }
    }

    /// The line of the test at a position.
    pub fn line(&self, position: usize) -> Option<u32> {
        self.lines.get(position).copied()?.checked_sub(1)
    }

    /// The markers of the test at a position.
    pub fn markers(&self, position: usize) -> &[String] {
        let number = self.markers.get(position).copied().unwrap_or(0) as usize;
        let list = number.checked_sub(1).and_then(|n| self.marker_lists.get(n));
        list.map_or(&[], Vec::as_slice)
    }

    /// Roughly how much memory this holds, in bytes.
    pub fn weight(&self) -> u64 {
        (64 + 17 * self.tests.len() + 24 * (self.file_names.len() + self.marker_lists.len())) as u64
    }
}

fn decode_ids(sections: &Sections) -> Result<Vec<i64>, ColumnsError> {
    let mut reader = Reader::new(sections.get(tag::IDS).unwrap_or_default());
    let mut tests = Vec::with_capacity(sections.items);
    let mut before = 0i64;
    for _ in 0..sections.items {
        before = i64::try_from(reader.number()?)
            .ok()
            .and_then(|distance| before.checked_add(distance))
            .ok_or(ColumnsError::Impossible("test id"))?;
        tests.push(before);
    }
    Ok(tests)
}

/// Lines moved up by one, 0 for none.
fn decode_lines(sections: &Sections) -> Result<Vec<u32>, ColumnsError> {
    let Some(bytes) = sections.get(tag::LINES) else {
        return Ok(Vec::new());
    };
    let mut reader = Reader::new(bytes);
    let mut before = 0i64;
    let mut lines = Vec::with_capacity(sections.items);
    for _ in 0..sections.items {
        let distance = reader.optional()?.map(varint::unzigzag);
        if let Some(distance) = distance {
            before = before.wrapping_add(distance);
        }
        let line = u32::try_from(before).map_err(|_| ColumnsError::Impossible("line"))?;
        lines.push(distance.map_or(0, |_| line.saturating_add(1)));
    }
    Ok(lines)
}

fn decode_markers(sections: &Sections) -> Result<(Vec<Vec<String>>, Vec<u32>), ColumnsError> {
    let Some(bytes) = sections.get(tag::MARKERS) else {
        return Ok((Vec::new(), Vec::new()));
    };
    let mut reader = Reader::new(bytes);
    let mut lists: Vec<Vec<String>> = Vec::new();
    let mut markers = Vec::with_capacity(sections.items);
    for _ in 0..sections.items {
        match reader.number()? as usize {
            0 => markers.push(0),
            1 => {
                let length = reader.number()? as usize;
                if length > limits::CASE_MARKERS_MAX {
                    return Err(ColumnsError::Impossible("number of markers"));
                }
                let list = (0..length).map(|_| Ok(reader.text()?.to_owned()));
                lists.push(list.collect::<Result<_, ColumnsError>>()?);
                markers.push(lists.len() as u32);
            }
            number if number - 1 <= lists.len() => markers.push(number as u32 - 1),
            _ => return Err(ColumnsError::Impossible("markers")),
        }
    }
    Ok((lists, markers))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Distance to the test before, nodeid, file, line, markers.
    type Test = (u32, String, Option<String>, Option<u32>, Vec<String>);

    fn test() -> impl Strategy<Value = Test> {
        let nodeid = "[ab]\\.py::\\PC{0,9}|\\PC{1,9}";
        let file = proptest::option::of("[ab]\\.py|\\PC{0,9}");
        let line = proptest::option::of(0u32..u32::MAX);
        let markers = proptest::collection::vec("slow|db|\\PC{0,4}", 0..3);
        (1u32..1_000, nodeid, file, line, markers)
    }

    fn items(tests: &[Test]) -> Vec<LayoutItem<'_>> {
        let mut items = Vec::new();
        let mut id = 0;
        for (distance, nodeid, file, line, markers) in tests {
            id += i64::from(*distance);
            items.push(LayoutItem {
                test: id,
                nodeid,
                file: file.as_deref(),
                line: *line,
                markers,
            });
        }
        items
    }

    proptest! {
        #[test]
        fn every_layout_comes_back(tests in proptest::collection::vec(test(), 0..60)) {
            let items = items(&tests);
            let packed = encode_layout(&items).pack();
            let layout = Layout::decode(&Sections::unpack(&packed).unwrap()).unwrap();
            prop_assert_eq!(layout.tests().len(), items.len());
            for (position, item) in items.iter().enumerate() {
                prop_assert_eq!(layout.position(item.test), Some(position));
                prop_assert_eq!(layout.file(position, item.nodeid), item.file);
                prop_assert_eq!(layout.line(position), item.line);
                prop_assert_eq!(layout.markers(position), item.markers);
            }
        }

        #[test]
        fn broken_bytes_are_an_error_and_never_a_panic(
            tests in proptest::collection::vec(test(), 1..20),
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
        ) {
            let mut packed = encode_layout(&items(&tests)).pack();
            for (at, byte) in changes {
                let at = at.index(packed.len());
                packed[at] = byte;
            }
            if let Ok(layout) = Sections::unpack(&packed).and_then(|s| Layout::decode(&s)) {
                for position in 0..layout.tests().len().min(100) {
                    let _ = (layout.file(position, "a.py::b"), layout.line(position), layout.markers(position));
                }
            }
        }
    }
}
