//! How much a folder holds.

use std::path::Path;

/// Bytes of the files below a folder, counted no further than a little beyond `enough`. What cannot be
/// looked at, or goes away meanwhile, counts nothing; links are not followed.
pub(super) fn bytes_below(folder: &Path, enough: u64) -> u64 {
    let mut folders = vec![folder.to_owned()];
    let mut bytes: u64 = 0;
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            if metadata.is_dir() {
                folders.push(entry.path());
            } else {
                bytes = bytes.saturating_add(metadata.len());
            }
            if bytes > enough {
                return bytes;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_count_at_any_depth_and_links_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        std::fs::create_dir_all(folder.join("a/b")).unwrap();
        std::fs::write(folder.join("a/b/file"), [0; 1000]).unwrap();
        std::fs::write(folder.join("other"), [0; 500]).unwrap();
        std::os::unix::fs::symlink("/usr", folder.join("link")).unwrap();
        let bytes = bytes_below(folder, u64::MAX);
        assert!((1500..1600).contains(&bytes), "{bytes}");
    }
}
