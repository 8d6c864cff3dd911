//! The plugin, carried inside this binary and laid out for one pytest to import.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;

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

impl PluginFolder {
    /// Writes the plugin.
    pub(super) fn write() -> io::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("pytest-platform-")
            .tempdir()?;
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
}
