//! `[tool.pytest-platform]` of the nearest pyproject.toml.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Largest pyproject.toml that is read.
const PYPROJECT_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What the file says. A token is not among it: files are committed.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Pyproject {
    /// Where the file is; empty when there is none or it has no table for us.
    #[serde(skip)]
    pub path: PathBuf,
    /// URL of the master.
    pub master_url: Option<String>,
    /// Name of the worker.
    pub worker_id: Option<String>,
    /// Name of the project.
    pub project: Option<String>,
    /// Branch under test.
    pub branch: Option<String>,
    /// Labels under which runs compare.
    pub variant: BTreeMap<String, String>,
    /// Python to run, relative to the file.
    pub python: Option<PathBuf>,
    /// Seconds, 0 for no limit.
    pub run_timeout: Option<f64>,
    /// Seconds, 0 for no limit.
    pub stall_timeout: Option<f64>,
    /// Seconds.
    pub upload_timeout: Option<f64>,
    /// A file to write each run to, relative to the file.
    pub save: Option<PathBuf>,
    /// Where journals are kept, relative to the file.
    pub state_dir: Option<PathBuf>,
    /// Bytes that all journals together may take.
    pub state_bytes_max: Option<u64>,
    /// The peak memory of each test is measured.
    pub memory: Option<bool>,
    /// No closing line.
    pub quiet: Option<bool>,
}

impl Pyproject {
    /// Reads the nearest pyproject.toml of `folder` and those above it. A file that cannot be
    /// understood gives an empty answer and a sentence that says why: no test waits for it.
    pub fn nearest(folder: &Path) -> (Self, Option<String>) {
        let found = folder
            .ancestors()
            .map(|folder| folder.join("pyproject.toml"))
            .find(|path| path.is_file());
        let Some(path) = found else {
            return (Self::default(), None);
        };
        match read(&path) {
            Ok(table) => (table, None),
            Err(reason) => {
                let text = format!("{} was not used: {reason}", path.display());
                (Self::default(), Some(text))
            }
        }
    }
}

fn read(path: &Path) -> Result<Pyproject, String> {
    let bytes = path.metadata().map_err(|error| error.to_string())?.len();
    if bytes > PYPROJECT_BYTES_MAX {
        return Err(format!("it is larger than {PYPROJECT_BYTES_MAX} bytes"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    parse(&text, path)
}

fn parse(text: &str, path: &Path) -> Result<Pyproject, String> {
    // Most files have no table for us, and need not be parsed to know it.
    if !text.contains("pytest-platform") {
        return Ok(Pyproject::default());
    }
    let mut document: toml::Table =
        toml::from_str(text).map_err(|error| error.message().to_owned())?;
    let table = document
        .remove("tool")
        .and_then(|tool| tool.try_into::<toml::Table>().ok())
        .and_then(|mut tool| tool.remove("pytest-platform"));
    let Some(table) = table else {
        return Ok(Pyproject::default());
    };
    let mut settings: Pyproject = table
        .try_into()
        .map_err(|error: toml::de::Error| format!("[tool.pytest-platform]: {}", error.message()))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let relative = [
        &mut settings.python,
        &mut settings.save,
        &mut settings.state_dir,
    ];
    for relative in relative.into_iter().flatten() {
        *relative = folder.join(&*relative);
    }
    path.clone_into(&mut settings.path);
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_file_above_is_used_and_its_paths_are_relative_to_it() {
        let root = tempfile::tempdir().unwrap();
        let below = root.path().join("a/b");
        std::fs::create_dir_all(&below).unwrap();
        std::fs::write(
            root.path().join("pyproject.toml"),
            "[tool.pytest-platform]\nproject = \"shop\"\npython = \".venv/bin/python\"\n\
             upload-timeout = 3\n[tool.pytest-platform.variant]\nos = \"linux\"\n",
        )
        .unwrap();
        let (found, problem) = Pyproject::nearest(&below);
        assert_eq!(problem, None);
        assert_eq!(found.project.as_deref(), Some("shop"));
        assert_eq!(found.python, Some(root.path().join(".venv/bin/python")));
        assert_eq!(found.upload_timeout, Some(3.0));
        assert_eq!(found.variant["os"], "linux");
    }

    #[test]
    fn a_key_that_does_not_exist_is_named() {
        let text = "[tool.pytest-platform]\nmaster_url = \"http://m\"\n";
        let reason = parse(text, Path::new("pyproject.toml")).unwrap_err();
        assert!(reason.contains("master_url"), "{reason}");
    }

    #[test]
    fn a_file_without_our_table_says_nothing() {
        let text = "[project]\nname = \"pytest-platform\"\n";
        assert_eq!(
            parse(text, Path::new("pyproject.toml")),
            Ok(Pyproject::default())
        );
    }
}
