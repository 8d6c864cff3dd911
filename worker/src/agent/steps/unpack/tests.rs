//! Tests of what hostile and of what ordinary archives do.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use proptest::prelude::*;
use tar::{EntryType, Header};
use zip::write::SimpleFileOptions;

use super::*;

/// An entry, as whoever makes an archive may choose it.
#[derive(Debug, Clone)]
struct Made {
    name: Vec<u8>,
    kind: EntryType,
    link: Vec<u8>,
    content: Vec<u8>,
    mode: u32,
}

fn made(name: &str, kind: EntryType, link: &str, content: &str) -> Made {
    Made {
        name: name.into(),
        kind,
        link: link.into(),
        content: content.into(),
        mode: 0o644,
    }
}

fn file(name: &str, content: &str) -> Made {
    made(name, EntryType::Regular, "", content)
}

/// Written byte by byte: the crate that writes archives would not write most of these.
fn tar_of(entries: &[Made]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        let mut header = Header::new_gnu();
        let raw = header.as_mut_bytes();
        for (place, text) in [(0..100, &entry.name), (157..257, &entry.link)] {
            let length = text.len().min(100);
            raw[place.start..place.start + length].copy_from_slice(&text[..length]);
        }
        header.set_entry_type(entry.kind);
        header.set_mode(entry.mode);
        let has_content = matches!(entry.kind, EntryType::Regular | EntryType::GNULongName);
        let content: &[u8] = if has_content { &entry.content } else { b"" };
        header.set_size(content.len() as u64);
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

fn zip_of(entries: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, mode, content) in entries {
        let options =
            SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
        if mode & 0o170_000 == 0o120_000 {
            let target = String::from_utf8(content.to_vec()).unwrap();
            zip.add_symlink(*name, target, options).unwrap();
        } else {
            zip.start_file(*name, options.unix_permissions(*mode))
                .unwrap();
            zip.write_all(content).unwrap();
        }
    }
    zip.finish().unwrap().into_inner()
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gz.write_all(bytes).unwrap();
    gz.finish().unwrap()
}

/// A folder to unpack into, beside others that must stay as they are.
struct Place {
    root: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("into")).unwrap();
        std::fs::create_dir(root.path().join("beside")).unwrap();
        std::fs::write(root.path().join("beside/victim"), "untouched").unwrap();
        Self { root }
    }

    fn folder(&self) -> PathBuf {
        self.root.path().join("into")
    }

    fn unpack(&self, bytes: &[u8], limits: &Limits) -> Result<Unpacked, String> {
        let archive = self.root.path().join("archive");
        std::fs::write(&archive, bytes).unwrap();
        unpack(&archive, &self.folder(), limits).map_err(|refused| refused.to_string())
    }

    fn read(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.folder().join(name)).ok()
    }

    /// Everything outside of the folder, with its content.
    fn outside(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut waiting = vec![self.root.path().to_owned()];
        while let Some(folder) = waiting.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path == self.folder() || path.ends_with("archive") {
                    continue;
                }
                if path.symlink_metadata().unwrap().is_dir() {
                    waiting.push(path.clone());
                }
                found.insert(path.clone(), std::fs::read(&path).unwrap_or_default());
            }
        }
        found
    }

    /// Every link inside that leads outside, in the eyes of the system.
    fn leaks(&self) -> Vec<PathBuf> {
        let into = self.folder().canonicalize().unwrap();
        let mut leaks = Vec::new();
        let mut waiting = vec![into.clone()];
        while let Some(folder) = waiting.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let metadata = path.symlink_metadata().unwrap();
                if metadata.is_dir() {
                    waiting.push(path);
                } else if let Ok(found) = path.canonicalize()
                    && !found.starts_with(&into)
                {
                    leaks.push(path);
                }
            }
        }
        leaks
    }
}

#[test]
fn each_kind_of_archive_unpacks_to_the_same() {
    let program = Made {
        mode: 0o4755,
        ..file("bin/run.sh", "run")
    };
    let tar = tar_of(&[
        made("./", EntryType::Directory, "", ""),
        made("a/", EntryType::Directory, "", ""),
        file("./a/test_a.py", "a"),
        program,
        made("a/link.py", EntryType::Symlink, "../bin/run.sh", ""),
        file("a/.git/config", "[core] fsmonitor = evil"),
    ]);
    let zip = zip_of(&[
        ("a/test_a.py", 0o100_644, b"a"),
        ("bin/run.sh", 0o104_755, b"run"),
        ("a/link.py", 0o120_777, b"../bin/run.sh"),
        ("a/.git/config", 0o100_644, b"[core] fsmonitor = evil"),
    ]);
    let zst = zstd::encode_all(tar.as_slice(), 3).unwrap();
    for bytes in [gz(&tar), zst, tar, zip] {
        let place = Place::new();
        let unpacked = place.unpack(&bytes, &Limits::default()).unwrap();
        assert_eq!(unpacked.files, 2);
        assert_eq!(unpacked.notes, ["left out: a/.git/config"]);
        assert_eq!(place.read("a/test_a.py").unwrap(), "a");
        assert_eq!(place.read("a/link.py").unwrap(), "run");
        assert!(!place.folder().join("a/.git").exists());
        let mode = |name: &str| {
            place
                .folder()
                .join(name)
                .metadata()
                .unwrap()
                .permissions()
                .mode()
        };
        assert_eq!(mode("bin/run.sh") & 0o7777 & !0o022, 0o755 & !0o022);
        assert_eq!(mode("a/test_a.py") & 0o111, 0);
    }
}

#[test]
fn what_python_packs_is_unpacked() {
    let place = Place::new();
    let pack = "import shutil, sys, os
os.makedirs('src/deep/er'); open('src/deep/er/test_ä.py', 'w').write('x')
open('src/' + 'l' * 150 + '.py', 'w').write('long')
for kind in ('zip', 'gztar', 'tar'): shutil.make_archive(kind, kind, 'src')";
    let status = std::process::Command::new("python3")
        .args(["-c", pack])
        .current_dir(place.root.path())
        .status()
        .unwrap();
    assert!(status.success());
    for name in ["zip.zip", "gztar.tar.gz", "tar.tar"] {
        let here = Place::new();
        let bytes = std::fs::read(place.root.path().join(name)).unwrap();
        here.unpack(&bytes, &Limits::default()).unwrap();
        assert_eq!(
            here.read("deep/er/test_ä.py").as_deref(),
            Some("x"),
            "{name}"
        );
        assert_eq!(
            here.read(&format!("{}.py", "l".repeat(150))).as_deref(),
            Some("long")
        );
    }
}

#[test]
fn hostile_entries_are_refused_by_name_and_change_nothing_outside() {
    let up = "../beside/victim";
    let link = EntryType::Symlink;
    for (entries, why) in [
        (vec![file(up, "x")], "leads out"),
        (vec![file("a/../../beside/victim", "x")], "leads out"),
        (vec![file("/tmp/x", "x")], "absolute"),
        (vec![file("a\\..\\x", "x")], "backslash"),
        (vec![file("C:/x", "x")], "drive"),
        (vec![made("l", link, "/etc", "")], "only links"),
        (vec![made("l", link, "..", "")], "leads out"),
        (vec![made("l", link, "a/../..", "")], "leads out"),
        (
            vec![made("l", link, "../beside", ""), file("l/victim", "x")],
            "leads out",
        ),
        (
            vec![made("h", EntryType::Link, "../beside/victim", "")],
            "hard link",
        ),
        (vec![made("d", EntryType::Char, "", "")], "device"),
        (vec![made("d", EntryType::Block, "", "")], "device"),
        (vec![made("p", EntryType::Fifo, "", "")], "named pipe"),
        (vec![file("a", "1"), file("a", "2")], "already"),
        (
            vec![file("a", "1"), file("a/b", "2")],
            "in the place of a folder",
        ),
        (vec![file("a/b", "1"), file("a", "2")], "already"),
        (vec![file("a", "1"), made("a", link, "b", "")], "already"),
        (vec![file("", "1")], "no name"),
    ] {
        let place = Place::new();
        let before = place.outside();
        let refused = place
            .unpack(&tar_of(&entries), &Limits::default())
            .unwrap_err();
        assert!(refused.contains(why), "{entries:?}: {refused}");
        assert_eq!(place.outside(), before);
    }
    for (entries, why) in [
        (vec![(up, 0o100_644, &b"x"[..])], "leads out"),
        (vec![("l", 0o120_777, b"../beside")], "leads out"),
        (vec![("a\\b", 0o100_644, b"")], "backslash"),
    ] {
        let place = Place::new();
        let before = place.outside();
        let refused = place
            .unpack(&zip_of(&entries), &Limits::default())
            .unwrap_err();
        assert!(refused.contains(why), "{entries:?}: {refused}");
        assert_eq!(place.outside(), before);
    }
}

#[test]
fn bombs_are_stopped_at_the_limits() {
    let limits = Limits {
        bytes_max: 1024 * 1024,
        entries_max: 100,
        ..Limits::default()
    };
    let zeros = "\0".repeat(2 * 1024 * 1024);
    let many: Vec<Made> = (0..101)
        .map(|number| file(&number.to_string(), ""))
        .collect();
    let long_name = made("././@LongLink", EntryType::GNULongName, "", &zeros);
    for (bytes, why) in [
        (gz(&tar_of(&[file("a", &zeros)])), "more than 1 MiB"),
        (gz(&tar_of(&[file(".git/a", &zeros)])), "more than 1 MiB"),
        (
            zip_of(&[("a", 0o100_644, zeros.as_bytes())]),
            "more than 1 MiB",
        ),
        (tar_of(&many), "more than 100 entries"),
        (gz(&tar_of(&[long_name, file("a", "")])), "header is longer"),
        (b"PK\x03\x04nonsense".to_vec(), "damaged"),
        (b"nonsense".to_vec(), "no zip"),
        (Vec::new(), "no zip"),
        (gz(b"nonsense")[..12].to_vec(), "damaged"),
    ] {
        let refused = Place::new().unpack(&bytes, &limits).unwrap_err();
        assert!(refused.contains(why), "{refused}");
    }
    // Two hundred times its own size, though it would fit.
    let bomb = gz(&tar_of(&[file("a", &"\0".repeat(100 * 1024 * 1024))]));
    let refused = Place::new().unpack(&bomb, &Limits::default()).unwrap_err();
    assert!(refused.contains("times its own size"), "{refused}");
}

fn kind() -> impl Strategy<Value = EntryType> {
    prop_oneof![
        4 => Just(EntryType::Regular),
        2 => Just(EntryType::Directory),
        4 => Just(EntryType::Symlink),
        1 => Just(EntryType::Link),
        1 => Just(EntryType::Fifo),
    ]
}

fn path() -> impl Strategy<Value = String> {
    let part = proptest::sample::select(vec![
        "a", "b", "c", "..", ".", "", "beside", "victim", "into", "l",
    ]);
    proptest::collection::vec(part, 1..5).prop_map(|parts| parts.join("/"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever an archive says, nothing outside changes, and no link inside leads outside.
    #[test]
    fn nothing_outside_of_the_folder_changes(
        entries in proptest::collection::vec((path(), kind(), path(), "[a-z]{0,3}"), 0..8)
    ) {
        let entries: Vec<Made> = entries
            .into_iter()
            .map(|(name, kind, link, content)| made(&name, kind, &link, &content))
            .collect();
        let place = Place::new();
        let before = place.outside();
        let _ = place.unpack(&tar_of(&entries), &Limits::default());
        prop_assert_eq!(place.outside(), before);
        prop_assert_eq!(place.leaks(), Vec::<PathBuf>::new());
    }

    /// Nor does any other sequence of bytes.
    #[test]
    fn damaged_archives_are_refused_and_do_no_harm(
        at in 0_usize..4000,
        byte in any::<u8>(),
        is_zip in any::<bool>(),
    ) {
        let mut bytes = if is_zip {
            zip_of(&[("a/b", 0o100_644, b"content"), ("l", 0o120_777, b"a/b"), ("c", 0o100_755, b"c")])
        } else {
            tar_of(&[file("a/b", "content"), made("l", EntryType::Symlink, "a/b", ""), file("c", "c")])
        };
        let at = at % bytes.len();
        bytes[at] = byte;
        let place = Place::new();
        let before = place.outside();
        let _ = place.unpack(&bytes, &Limits::default());
        prop_assert_eq!(place.outside(), before);
        prop_assert_eq!(place.leaks(), Vec::<PathBuf>::new());
    }
}
