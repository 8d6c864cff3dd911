//! Table `texts`: what tests printed and said, each distinct text once.
//!
//! The first byte says how the rest is kept: as it is, or packed by zstd with its length in front.

use super::engine::{Transacting, insert_rows, on_connection, on_read, read_by_keys};
use super::hash::Hash16;
use super::{Store, StoreError};

const PLAIN: u8 = 0;
const PACKED: u8 = 1;

/// Texts shorter than this are kept as they are.
const PACK_BYTES_MIN: usize = 200;

/// Texts are cut at their limits before they come here; nothing longer is believed.
const TEXT_BYTES_MAX: usize = 64 * 1024 * 1024;

const LEVEL: i32 = 3;

#[derive(sqlx::FromRow)]
struct TextRow {
    hash: Vec<u8>,
    data: Vec<u8>,
}

/// The bytes that a text is kept as.
pub(crate) fn pack(text: &[u8]) -> Vec<u8> {
    if text.len() >= PACK_BYTES_MIN
        && let Ok(packed) = zstd::bulk::compress(text, LEVEL)
        && packed.len() + 4 < text.len()
    {
        let mut data = Vec::with_capacity(packed.len() + 5);
        data.push(PACKED);
        data.extend((text.len() as u32).to_le_bytes());
        data.extend(packed);
        return data;
    }
    let mut data = Vec::with_capacity(text.len() + 1);
    data.push(PLAIN);
    data.extend_from_slice(text);
    data
}

/// The inverse of [`pack`].
pub(crate) fn unpack(data: &[u8]) -> Result<Vec<u8>, StoreError> {
    let damaged = |reason: &str| StoreError::damaged("text", reason);
    match data.split_first() {
        Some((&PLAIN, text)) => Ok(text.to_vec()),
        Some((&PACKED, rest)) => {
            let (length, packed) = rest
                .split_first_chunk::<4>()
                .ok_or_else(|| damaged("it ends too early"))?;
            let length = u32::from_le_bytes(*length) as usize;
            if length > TEXT_BYTES_MAX {
                return Err(damaged("its length is impossible"));
            }
            zstd::bulk::decompress(packed, length).map_err(|_| damaged("it cannot be unpacked"))
        }
        _ => Err(damaged("it is of an unknown kind")),
    }
}

/// The inverse of [`pack`] where the bytes are a text.
pub(crate) fn unpack_text(data: &[u8]) -> Result<String, StoreError> {
    String::from_utf8(unpack(data)?).map_err(|error| StoreError::damaged("text", error))
}

/// Adds texts that are not there yet. Sorted by hash, so that two masters that add the same texts
/// at the same time wait for one another instead of blocking one another.
pub(crate) async fn insert(
    transaction: &mut Transacting,
    texts: &[(Hash16, &[u8])],
) -> Result<(), StoreError> {
    insert_rows!(
        transaction,
        texts,
        "insert into texts (hash, data) values",
        2,
        "on conflict do nothing",
        |query, text| query.bind(text.0.bytes()).bind(text.1)
    );
    Ok(())
}

/// Texts by their hashes.
pub(crate) async fn get(
    store: &Store,
    hashes: &[Vec<u8>],
) -> Result<rustc_hash::FxHashMap<Vec<u8>, String>, StoreError> {
    let rows = read_by_keys!(
        store,
        TextRow,
        "select hash, data from texts where hash in",
        [],
        hashes,
        |hash| hash.as_slice()
    );
    rows.into_iter()
        .map(|row| Ok((row.hash, unpack_text(&row.data)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_long_text_is_packed() {
        let text = "the same line again\n".repeat(100);
        assert!(pack(text.as_bytes()).len() < 100);
        assert_eq!(unpack_text(&pack(text.as_bytes())).unwrap(), text);
    }

    proptest! {
        #[test]
        fn every_text_reads_back(text in "(?s).{0,600}") {
            prop_assert_eq!(unpack_text(&pack(text.as_bytes())).unwrap(), text);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(data in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = unpack_text(&data);
        }
    }
}
