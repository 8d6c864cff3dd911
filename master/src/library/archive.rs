//! Archives that somebody uploads to have jobs made of them. They are kept as they are and never unpacked
//! here.

use std::io::{Cursor, Read};

use bytes::Bytes;
use chrono::Utc;
use shared::library::Archived;
use shared::validate::Invalid;

use super::content::{self, NewContent};
use super::folder::Library;
use super::{FORMAT_TAR_GZ, FORMAT_TAR_ZST, FORMAT_ZIP, LibraryError};
use crate::store::Store;

/// Length of a BLAKE3 hash, hexadecimal.
const HASH_DIGITS: usize = 64;

/// The end of a zip file: its directory is found from there.
const ZIP_END: &[u8] = b"PK\x05\x06";

/// Farthest from the end of a zip file that its directory's end can be: a comment may follow.
const ZIP_END_BYTES_MAX: usize = 22 + 65_535;

/// How much of a packed tar is looked at.
const TAR_BYTES_MAX: u64 = 1024;

impl Library {
    /// Keeps an archive. The same content has the same name.
    pub async fn archive(&self, content: Bytes) -> Result<Archived, LibraryError> {
        let bytes = content.len() as u64;
        let (content, hash, format) = content::away(move || {
            let hash = blake3::hash(&content).to_hex().to_string();
            let format = recognise(&content);
            (content, hash, format)
        })
        .await?;
        let format = format.map_err(|reason| Invalid::new("body", reason))?;
        let new = NewContent {
            hash: &hash,
            bytes,
            format: Some(format),
        };
        content::keep(self.store(), new, Cursor::new(content)).await?;
        Ok(Archived {
            archive: hash,
            bytes,
            format: format.to_owned(),
        })
    }
}

/// Refuses a name that no archive here has.
pub(super) async fn check_known(store: &Store, hash: &str) -> Result<(), LibraryError> {
    let field = "source.archive";
    if !is_hash(hash) {
        let reason =
            format!("must be {HASH_DIGITS} hexadecimal digits, as POST /archives answers them");
        return Err(Invalid::new(field, reason).into());
    }
    if let Some(Some(_)) = content::in_use(store, hash, Utc::now()).await? {
        return Ok(());
    }
    let reason = "there is no such archive, or it was not used for so long that it was forgotten; \
                  upload it to POST /archives first";
    Err(Invalid::new(field, reason).into())
}

/// Whether a text is a hash as it is written here.
pub(super) fn is_hash(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == HASH_DIGITS && text.bytes().all(is_digit)
}

/// What kind of archive this is, by its content.
fn recognise(content: &[u8]) -> Result<&'static str, String> {
    if content.is_empty() {
        return Err("the body is empty; send a zip, tar.gz or tar.zst".to_owned());
    }
    if content.starts_with(b"PK\x03\x04") || content.starts_with(ZIP_END) {
        let tail = &content[content.len().saturating_sub(ZIP_END_BYTES_MAX)..];
        if !tail.windows(ZIP_END.len()).any(|bytes| bytes == ZIP_END) {
            return Err("the zip file has no end; it was probably cut off".to_owned());
        }
        return Ok(FORMAT_ZIP);
    }
    if content.starts_with(&[0x1f, 0x8b]) {
        check_tar("gzip", flate2::read::MultiGzDecoder::new(content))?;
        return Ok(FORMAT_TAR_GZ);
    }
    if content.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        let reader = zstd::Decoder::with_buffer(content);
        check_tar(
            "zstd",
            reader.map_err(|error| format!("the body cannot be unpacked: {error}"))?,
        )?;
        return Ok(FORMAT_TAR_ZST);
    }
    Err("is neither a zip, a tar.gz nor a tar.zst".to_owned())
}

/// Looks whether there is a tar in it, at its first entry only.
fn check_tar(packing: &str, reader: impl Read) -> Result<(), String> {
    let mut archive = tar::Archive::new(reader.take(TAR_BYTES_MAX));
    let entries = archive.entries().map(|entries| entries.raw(true));
    let first = entries.and_then(|mut entries| entries.next().transpose());
    match first {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(format!(
            "the body is packed with {packing} and holds an empty tar"
        )),
        Err(error) => Err(format!(
            "the body is packed with {packing}, but what is in it is no tar: {error}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn tar() -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(3);
        builder
            .append_data(&mut header, "test_a.py", &b"1+1"[..])
            .unwrap();
        builder.into_inner().unwrap()
    }

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn archives_are_known_by_their_content() {
        assert_eq!(recognise(&gzip(&tar())), Ok(FORMAT_TAR_GZ));
        let packed = zstd::encode_all(&*tar(), 1).unwrap();
        assert_eq!(recognise(&packed), Ok(FORMAT_TAR_ZST));
        let mut empty_zip = ZIP_END.to_vec();
        empty_zip.extend([0; 18]);
        assert_eq!(recognise(&empty_zip), Ok(FORMAT_ZIP));
    }

    #[test]
    fn what_is_no_archive_is_refused_with_the_reason() {
        for (content, reason) in [
            (Vec::new(), "empty"),
            (b"def test_a(): pass".to_vec(), "neither"),
            (tar(), "neither"),
            (
                b"PK\x03\x04 and then the network went away".to_vec(),
                "cut off",
            ),
            (gzip(b"only a text"), "no tar"),
            (gzip(&[b'x'; 2000]), "no tar"),
            (gzip(&[0; 2000]), "empty tar"),
            (gzip(&tar())[..15].to_vec(), "no tar"),
            (zstd::encode_all(&b"only a text"[..], 1).unwrap(), "no tar"),
            (vec![0x28, 0xb5, 0x2f, 0xfd, 1, 2, 3], "no tar"),
        ] {
            let told = recognise(&content).unwrap_err();
            assert!(told.contains(reason), "{told}");
        }
    }

    #[test]
    fn a_hash_is_sixty_four_small_hexadecimal_digits() {
        assert!(is_hash(&blake3::hash(b"").to_hex()));
        for text in ["", "0", &"g".repeat(64), &"A".repeat(64), &"0".repeat(65)] {
            assert!(!is_hash(text), "{text}");
        }
    }
}
