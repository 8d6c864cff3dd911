//! What a source says about what it needs.

use std::path::{Path, PathBuf};

use super::groups::Groups;
use crate::agent::steps::StepFailure;

/// Lists of requirements that are taken, where there is no project.
const REQUIREMENTS: [&str; 4] = [
    "requirements.txt",
    "requirements-dev.txt",
    "requirements-test.txt",
    "test-requirements.txt",
];

/// Most bytes of a pyproject.toml that are read.
const PYPROJECT_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// How what a source needs is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Plan {
    /// `uv sync`.
    Project {
        /// Whether there is a uv.lock.
        is_locked: bool,
        /// What of it is for tests.
        groups: Groups,
    },
    /// `uv pip install -r`, for each of these files.
    Requirements(Vec<PathBuf>),
    /// Nothing.
    Nothing,
}

impl Plan {
    /// Looks at the files in a folder.
    pub(super) fn of(folder: &Path) -> Result<Self, StepFailure> {
        let is_locked = folder.join("uv.lock").is_file();
        let pyproject = folder.join("pyproject.toml");
        let pyproject = if pyproject.is_file() {
            Some(read(&pyproject).map_err(StepFailure::install)?)
        } else {
            None
        };
        if let Some(pyproject) = pyproject.filter(|read| is_locked || read.contains_key("project"))
        {
            let groups = Groups::of_tests(&pyproject);
            return Ok(Self::Project { is_locked, groups });
        }
        let lists = REQUIREMENTS.map(|name| folder.join(name));
        let lists: Vec<PathBuf> = lists.into_iter().filter(|path| path.is_file()).collect();
        if lists.is_empty() {
            return Ok(Self::Nothing);
        }
        Ok(Self::Requirements(lists))
    }
}

fn read(path: &Path) -> Result<toml::Table, String> {
    use std::io::Read;
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| format!("pyproject.toml: {error}"))?;
    file.take(PYPROJECT_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(|error| format!("pyproject.toml: {error}"))?;
    text.parse()
        .map_err(|error| format!("pyproject.toml cannot be read: {error}"))
}

/// Whether an environment has pytest.
pub(super) fn has_pytest(environment: &Path) -> bool {
    let Ok(versions) = std::fs::read_dir(environment.join("lib")) else {
        return false;
    };
    versions
        .flatten()
        .map(|version| version.path().join("site-packages"))
        .any(|packages| {
            packages.join("pytest/__init__.py").is_file() || packages.join("pytest.py").is_file()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_comes_before_lists_and_lists_before_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
        let plan = || Plan::of(folder).unwrap();
        assert_eq!(plan(), Plan::Nothing);
        write("requirements-dev.txt", "");
        write("requirements.txt", "");
        let lists = ["requirements.txt", "requirements-dev.txt"].map(|name| folder.join(name));
        assert_eq!(plan(), Plan::Requirements(lists.to_vec()));
        write("pyproject.toml", "[tool.pytest.ini_options]\n");
        assert!(matches!(plan(), Plan::Requirements(_)));
        write("pyproject.toml", "[project]\nname = 'x'\nversion = '1'\n");
        assert!(matches!(
            plan(),
            Plan::Project {
                is_locked: false,
                ..
            }
        ));
        write("uv.lock", "");
        assert!(matches!(
            plan(),
            Plan::Project {
                is_locked: true,
                ..
            }
        ));
        write("pyproject.toml", "[project\n");
        let error = Plan::of(folder).unwrap_err().text;
        assert!(
            error.starts_with("pyproject.toml cannot be read"),
            "{error}"
        );
    }
}
