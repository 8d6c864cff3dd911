//! The plugin, carried inside this binary and laid out for one pytest to import.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::{fmt, io};

use tempfile::TempDir;

/// Names and texts of these files of the package `pytest_platform`.
macro_rules! plugin_files {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../../python/pytest_platform/", $name)))),+]
    };
}

/// Every file of it.
const FILES: &[(&str, &str)] = &plugin_files![
    "__init__.py",
    "distributed.py",
    "pipe.py",
    "plugin.py",
    "reporter.py",
    "session.py",
    "sidecar.py",
    "text.py",
];

/// A folder that only this user can read, gone when this is dropped.
#[derive(Debug)]
pub(super) struct PluginFolder(TempDir);

/// The folders that were tried, and why none could be used.
#[derive(Debug)]
pub(super) struct NoFolder(Vec<(PathBuf, io::Error)>);

impl fmt::Display for NoFolder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            formatter.write_str("no folder is known")?;
        }
        for (number, (folder, error)) in self.0.iter().enumerate() {
            let separator = if number == 0 { "" } else { "; " };
            write!(formatter, "{separator}{}: {error}", folder.display())?;
        }
        Ok(())
    }
}

impl PluginFolder {
    /// Writes the plugin where temporary files go, or else to a folder of the user's own.
    pub(super) fn write() -> Result<Self, NoFolder> {
        Self::write_in_first(places())
    }

    fn write_in_first(places: impl IntoIterator<Item = PathBuf>) -> Result<Self, NoFolder> {
        let mut tried = Vec::new();
        for place in places {
            match Self::write_in(&place) {
                Ok(plugin) => return Ok(plugin),
                Err(error) => tried.push((place, error)),
            }
        }
        Err(NoFolder(tried))
    }

    fn write_in(place: &Path) -> io::Result<Self> {
        let mut named = tempfile::Builder::new();
        let folder = named.prefix("pytest-platform-").tempdir_in(place)?;
        let package = folder.path().join("pytest_platform");
        std::fs::create_dir(&package)?;
        for (name, text) in FILES {
            std::fs::write(package.join(name), text)?;
        }
        Ok(Self(folder))
    }

    /// A `PYTHONPATH` that finds the plugin first, and then what `original` finds.
    pub(super) fn search_path(&self, original: Option<&OsStr>) -> OsString {
        search_path(self.0.path(), original)
    }
}

/// Where a folder may be made, in order. Never the current folder, which is the user's project, and
/// so nothing relative.
fn places() -> impl Iterator<Item = PathBuf> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let home = std::env::home_dir().unwrap_or_default();
    let places = [
        std::env::temp_dir(),
        variable("XDG_RUNTIME_DIR").unwrap_or_default(),
        variable("XDG_CACHE_HOME").unwrap_or_else(|| home.join(".cache")),
        variable("XDG_STATE_HOME").unwrap_or_else(|| home.join(".local/state")),
        home,
    ];
    places.into_iter().filter(|place| place.is_absolute())
}

fn search_path(folder: &Path, original: Option<&OsStr>) -> OsString {
    let mut path = folder.as_os_str().to_owned();
    // An empty part would mean the current folder, an empty variable means nothing.
    if let Some(original) = original.filter(|original| !original.is_empty()) {
        path.push(":");
        path.push(original);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_plugin_is_carried() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/pytest_platform");
        let mut there: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| Path::new(name).extension().is_some_and(|end| end == "py"))
            .collect();
        there.sort();
        let carried: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        assert_eq!(carried, there);
    }

    #[test]
    fn the_plugin_is_written_where_the_search_path_points() {
        let plugin = PluginFolder::write().unwrap();
        let path = plugin.search_path(Some(OsStr::new("/a:/b")));
        let (first, rest) = path.to_str().unwrap().split_once(':').unwrap();
        assert_eq!(rest, "/a:/b");
        let text = std::fs::read_to_string(format!("{first}/pytest_platform/plugin.py")).unwrap();
        assert!(text.contains("pytest"));
        let first = first.to_owned();
        drop(plugin);
        assert!(!Path::new(&first).exists());
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_passed_over_for_the_next() {
        let (missing, good) = (PathBuf::from("/dev/null/x"), tempfile::tempdir().unwrap());
        let places = [missing.clone(), good.path().to_owned()];
        let plugin = PluginFolder::write_in_first(places).unwrap();
        assert!(plugin.0.path().starts_with(good.path()));
        let nowhere = PluginFolder::write_in_first([missing]).unwrap_err();
        assert!(
            nowhere.to_string().starts_with("/dev/null/x: "),
            "{nowhere}"
        );
    }
}
