//! The form of a journal on disk: a mark, then records, each with a checksum.
//!
//! A record is `checksum length kind payload`, numbers little-endian, 4, 4 and 1 bytes. The
//! checksum covers the record's place in the file as well, counted from 0, so that a record that
//! was repeated, moved or left out is damage like any other.

use std::io::{self, Read};

use crc::{CRC_32_ISCSI, Crc, Digest, Table};
use shared::limits::BODY_BYTES_MAX;

/// What a journal begins with; the last byte is the version.
pub(super) const MARK: [u8; 8] = *b"\x89PTPJ\r\n\x01";

/// Longest payload: a whole run as it is sent, or the longest line of the plugin and the chunk
/// that it ended in.
pub(super) const PAYLOAD_BYTES_MAX: usize = BODY_BYTES_MAX + 1024 * 1024;

/// Why a reader stops that comes to the end in the middle of something.
pub(super) const CUT: &str = "its last record is cut";

const HEADER_BYTES: usize = 9;

static CHECKSUM: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// What a payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// What was known when the run began, as JSON: [`super::entries::Head`].
    Head = 1,
    /// Where it comes from, as JSON: [`super::entries::Origin`].
    Origin = 2,
    /// Whole lines as the plugin wrote them.
    Lines = 3,
    /// How it ended, as JSON: [`super::entries::End`].
    End = 4,
    /// The whole run, as the JSON that is sent, where the lines are not all there.
    Run = 5,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        [Self::Head, Self::Origin, Self::Lines, Self::End, Self::Run]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

/// Writes a record behind what `to` has.
pub(super) fn encode(to: &mut Vec<u8>, place: u64, kind: Kind, pieces: &[&[u8]]) {
    let length = pieces.iter().map(|piece| piece.len()).sum::<usize>() as u32;
    let mut digest = digest(place, length, kind as u8);
    for piece in pieces {
        digest.update(piece);
    }
    to.extend(digest.finalize().to_le_bytes());
    to.extend(length.to_le_bytes());
    to.push(kind as u8);
    for piece in pieces {
        to.extend_from_slice(piece);
    }
}

fn digest(place: u64, length: u32, kind: u8) -> Digest<'static, u32, Table<16>> {
    let mut digest = CHECKSUM.digest();
    digest.update(&place.to_le_bytes());
    digest.update(&length.to_le_bytes());
    digest.update(&[kind]);
    digest
}

/// What comes next in a journal.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    /// A sound record. One of a kind from the future has none.
    Record(Option<Kind>, Vec<u8>),
    /// Nothing more.
    End,
    /// Something that is no record, and why. Nothing behind it is believed.
    Damage(&'static str),
}

/// Reads record by record, and stops at the first damage.
#[derive(Debug)]
pub(super) struct Records<R> {
    from: R,
    place: u64,
    /// Bytes of the mark and of sound records.
    pub(super) sound_bytes: u64,
    over: bool,
}

impl<R: Read> Records<R> {
    pub(super) const fn new(from: R) -> Self {
        Self {
            from,
            place: 0,
            sound_bytes: 0,
            over: false,
        }
    }

    /// The next record. An error of the system is passed on; damage is not an error.
    pub(super) fn next(&mut self) -> io::Result<Next> {
        if self.over {
            return Ok(Next::End);
        }
        let next = self.read()?;
        self.over = !matches!(next, Next::Record(..));
        Ok(next)
    }

    fn read(&mut self) -> io::Result<Next> {
        if self.sound_bytes == 0 {
            let mut mark = [0; MARK.len()];
            let length = fill(&mut self.from, &mut mark)?;
            if mark[..length.min(7)] != MARK[..length.min(7)] {
                return Ok(Next::Damage("it is no journal"));
            }
            if length < mark.len() {
                return Ok(Next::Damage(CUT));
            }
            if mark != MARK {
                return Ok(Next::Damage("it is of another version of this program"));
            }
            self.sound_bytes = MARK.len() as u64;
        }
        let mut header = [0; HEADER_BYTES];
        match fill(&mut self.from, &mut header)? {
            0 => return Ok(Next::End),
            HEADER_BYTES => {}
            _ => return Ok(Next::Damage(CUT)),
        }
        let number = |at: usize| {
            let bytes = [header[at], header[at + 1], header[at + 2], header[at + 3]];
            u32::from_le_bytes(bytes)
        };
        let (checksum, length, kind) = (number(0), number(4), header[8]);
        if length as usize > PAYLOAD_BYTES_MAX {
            return Ok(Next::Damage("a record has an impossible length"));
        }
        // It grows with what is really there: a length that lies must cost no memory.
        let mut payload = Vec::new();
        (&mut self.from)
            .take(u64::from(length))
            .read_to_end(&mut payload)?;
        if payload.len() < length as usize {
            return Ok(Next::Damage(CUT));
        }
        let mut digest = digest(self.place, length, kind);
        digest.update(&payload);
        if digest.finalize() != checksum {
            return Ok(Next::Damage("a record does not match its checksum"));
        }
        self.place += 1;
        self.sound_bytes += (HEADER_BYTES + payload.len()) as u64;
        Ok(Next::Record(Kind::of(kind), payload))
    }
}

/// Reads until the buffer is full or nothing more comes, and answers how much that was.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn journal(payloads: &[Vec<u8>]) -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut ends) = (MARK.to_vec(), Vec::new());
        for (place, payload) in payloads.iter().enumerate() {
            encode(&mut bytes, place as u64, Kind::Lines, &[payload]);
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    fn read(bytes: &[u8]) -> (Vec<Vec<u8>>, bool) {
        let (mut records, mut payloads) = (Records::new(bytes), Vec::new());
        loop {
            match records.next().unwrap() {
                Next::Record(_, payload) => payloads.push(payload),
                Next::End => return (payloads, false),
                Next::Damage(_) => return (payloads, true),
            }
        }
    }

    fn payloads() -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..8)
    }

    #[test]
    fn the_checksum_is_the_one_that_everybody_calls_crc32c() {
        assert_eq!(CHECKSUM.checksum(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn what_was_written_is_read() {
        let wrote = [vec![], b"one\n".to_vec(), vec![0; 100_000]];
        assert_eq!(read(&journal(&wrote).0), (wrote.to_vec(), false));
        assert_eq!(read(&MARK), (vec![], false));
    }

    #[test]
    fn a_journal_of_another_version_says_so() {
        let mut mark = MARK;
        mark[7] = 9;
        let next = Records::new(&mark[..]).next().unwrap();
        assert_eq!(
            next,
            Next::Damage("it is of another version of this program")
        );
    }

    #[test]
    fn a_length_that_lies_costs_no_memory_and_is_damage() {
        let (mut bytes, _) = journal(&[b"x".to_vec()]);
        bytes[MARK.len() + 4..][..4].copy_from_slice(&(PAYLOAD_BYTES_MAX as u32).to_le_bytes());
        assert_eq!(read(&bytes), (vec![], true));
        bytes[MARK.len() + 4..][..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(read(&bytes), (vec![], true));
    }

    proptest! {
        #[test]
        fn cut_at_every_byte_it_gives_the_records_that_are_whole(wrote in payloads()) {
            let (bytes, ends) = journal(&wrote);
            for cut in 0..=bytes.len() {
                let whole = ends.iter().filter(|end| **end <= cut).count();
                let (found, damaged) = read(&bytes[..cut]);
                prop_assert_eq!(&found[..], &wrote[..whole]);
                let at_an_end = cut == MARK.len() || ends.contains(&cut);
                prop_assert_eq!(damaged, !at_an_end);
            }
        }

        #[test]
        fn a_flipped_bit_ends_it_where_it_is(wrote in payloads(), at in any::<prop::sample::Index>(), bit in 0..8u8) {
            let (mut bytes, ends) = journal(&wrote);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let sound = ends.iter().filter(|end| **end <= at).count();
            let (found, damaged) = read(&bytes);
            prop_assert_eq!(&found[..], &wrote[..sound]);
            prop_assert!(damaged);
        }

        #[test]
        fn records_that_were_repeated_or_moved_are_not_believed(wrote in payloads(), from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>()) {
            let (bytes, ends) = journal(&wrote);
            let starts: Vec<usize> = std::iter::once(MARK.len()).chain(ends.iter().copied()).collect();
            let (from, to) = (from.index(wrote.len()), to.index(wrote.len()));
            let record = &bytes[starts[from]..ends[from]];
            // A second copy stands before the record that was number `to`.
            let mut changed = bytes[..starts[to]].to_vec();
            changed.extend_from_slice(record);
            changed.extend_from_slice(&bytes[starts[to]..]);
            let (found, damaged) = read(&changed);
            let sound = if from == to { to + 1 } else { to };
            prop_assert_eq!(&found[..], &wrote[..sound]);
            prop_assert!(damaged);
        }

        #[test]
        fn bytes_that_are_anything_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), marked in any::<bool>()) {
            let mut all = if marked { MARK.to_vec() } else { Vec::new() };
            all.extend(bytes);
            read(&all);
        }
    }
}
