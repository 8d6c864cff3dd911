//! Runs in files: what `--save` asked for, and what could not be uploaded.

use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Most runs that are kept because they could not be uploaded; the oldest goes first.
const UNSENT_RUNS_MAX: usize = 100;

/// Writes a run to a file, whole or not at all. Only its owner can read it: captured output may
/// hold secrets. A link, a device or a named pipe at that path is written to, never replaced.
pub fn write(path: &Path, json: &[u8]) -> io::Result<()> {
    if path.symlink_metadata().is_ok_and(|what| !what.is_file()) {
        return std::fs::OpenOptions::new()
            .write(true)
            .truncate(true)
            .open(path)?
            .write_all(json);
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(json)?;
    file.persist(path)?;
    Ok(())
}

/// Keeps a run that could not be uploaded, and answers where.
pub fn keep_unsent(run_id: &str, json: &[u8]) -> io::Result<PathBuf> {
    let name = file_name(run_id, json);
    let kept = state_folder().map(|folder| keep_in(&folder, &name, json));
    match kept {
        Some(Ok(path)) => Ok(path),
        // No home, or none that can be written: a container, often.
        _ => keep_in(
            &std::env::temp_dir().join("pytest-platform-unsent"),
            &name,
            json,
        ),
    }
}

fn keep_in(folder: &Path, name: &str, json: &[u8]) -> io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let path = folder.join(name);
    write(&path, json)?;
    forget_oldest(folder)?;
    Ok(path)
}

fn forget_oldest(folder: &Path) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|end| end == "json") {
            files.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    files.sort();
    let many = files.len().saturating_sub(UNSENT_RUNS_MAX);
    for (_, path) in files.into_iter().take(many) {
        std::fs::remove_file(path)?;
    }
    Ok(())
}

/// `$XDG_STATE_HOME/pytest-platform/unsent`.
fn state_folder() -> Option<PathBuf> {
    let state = match std::env::var_os("XDG_STATE_HOME") {
        Some(folder) if Path::new(&folder).is_absolute() => PathBuf::from(folder),
        _ => std::env::home_dir()
            .filter(|home| home.is_absolute())?
            .join(".local/state"),
    };
    Some(state.join("pytest-platform/unsent"))
}

/// A file name for any run id; an id may have any printable character. A part that depends on the
/// content keeps two runs apart whose ids look alike, or are alike by mistake.
fn file_name(run_id: &str, json: &[u8]) -> String {
    let safe: String = run_id
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '_'
            }
        })
        .collect();
    let mut hasher = DefaultHasher::new();
    hasher.write(json);
    format!("{safe}-{:08x}.json", hasher.finish() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_saved_run_is_whole_and_readable_by_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        std::fs::write(&path, "older").unwrap();
        write(&path, b"{}").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"{}");
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn the_oldest_unsent_runs_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..UNSENT_RUNS_MAX + 3 {
            keep_in(
                folder.path(),
                &file_name(&format!("r{number}"), b"{}"),
                b"{}",
            )
            .unwrap();
        }
        let kept = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(kept, UNSENT_RUNS_MAX);
        assert!(!folder.path().join(file_name("r0", b"{}")).exists());
    }

    #[test]
    fn an_id_cannot_lead_out_of_the_folder() {
        assert!(file_name("../../etc/passwd", b"").starts_with("______etc_passwd-"));
    }

    #[test]
    fn runs_whose_ids_look_alike_do_not_replace_each_other() {
        assert_ne!(file_name("a b", b"1"), file_name("a/b", b"2"));
        assert_ne!(file_name("same", b"1"), file_name("same", b"2"));
        assert_eq!(file_name("same", b"1"), file_name("same", b"1"));
    }

    #[test]
    fn a_link_is_written_through_and_a_device_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        std::fs::write(&target, "older").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        write(&link, b"{}").unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"{}");
        assert!(link.symlink_metadata().unwrap().is_symlink());
    }
}
