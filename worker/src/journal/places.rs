//! Where journals are: the state folder, and where that cannot be written, a temporary one.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use crate::config::Settings;

/// The folders that may hold journals, the best first.
pub fn places(settings: &Settings) -> Vec<PathBuf> {
    let chosen = settings.state_dir.as_ref();
    chosen
        .map(|folder| folder.value.clone())
        .into_iter()
        .chain([temporary()])
        .collect()
}

fn temporary() -> PathBuf {
    let user = geteuid().as_raw();
    std::env::temp_dir().join(format!("pytest-platform-{user}"))
}

/// Makes such a folder where there is none, and refuses one that is not safe to use.
pub(super) fn prepare(folder: &Path) -> io::Result<()> {
    if folder == temporary() {
        return prepare_temporary(folder);
    }
    if folder.is_dir() {
        return Ok(());
    }
    DirBuilder::new().mode(0o700).recursive(true).create(folder)
}

/// Anybody may have made something of that name there.
fn prepare_temporary(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        done => return done,
    }
    if is_ours_alone(folder)? {
        return Ok(());
    }
    let text = "it is not a folder of this user's alone";
    Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
}

fn is_ours_alone(folder: &Path) -> io::Result<bool> {
    let found = folder.symlink_metadata()?;
    let others = found.permissions().mode() & 0o077;
    Ok(found.is_dir() && others == 0 && found.uid() == geteuid().as_raw())
}

/// Whether what lies in such a folder may be believed.
pub(super) fn is_safe(folder: &Path) -> bool {
    folder != temporary() || is_ours_alone(folder).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_folder_that_others_could_touch_is_not_used() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("state");
        prepare_temporary(&folder).unwrap();
        assert_eq!(
            folder.metadata().unwrap().permissions().mode() & 0o777,
            0o700
        );
        prepare_temporary(&folder).unwrap();
        let link = root.path().join("link");
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        assert!(prepare_temporary(&link).is_err());
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o770)).unwrap();
        assert!(prepare_temporary(&folder).is_err());
    }
}
