//! Which Python runs pytest.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::config::{Source, Sourced};

/// A Python, and why this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreter {
    /// Its path.
    pub path: PathBuf,
    /// Where it came from.
    pub source: Source,
}

/// There is no Python to run.
#[derive(Debug, thiserror::Error)]
pub enum NoPython {
    /// Somebody chose one that cannot be run.
    #[error("{path} ({source_name}) is no program that can be run")]
    NotAProgram {
        /// What was chosen.
        path: PathBuf,
        /// Who chose it.
        source_name: Source,
    },
    /// Nobody chose one, and none was found.
    #[error("no python3 or python on PATH; activate an environment or say which with --python")]
    NotFound,
}

impl Interpreter {
    /// Finds the Python to run: the chosen one, else the active virtual environment's, else
    /// `python3` or `python` on `PATH`.
    pub fn find(chosen: Option<&Sourced<PathBuf>>) -> Result<Self, NoPython> {
        Self::find_among(
            chosen,
            std::env::var_os("VIRTUAL_ENV").as_deref(),
            std::env::var_os("PATH").as_deref(),
        )
    }

    fn find_among(
        chosen: Option<&Sourced<PathBuf>>,
        environment: Option<&OsStr>,
        search_path: Option<&OsStr>,
    ) -> Result<Self, NoPython> {
        if let Some(chosen) = chosen {
            return Self::chosen(chosen, search_path);
        }
        if let Some(folder) = environment.filter(|folder| !folder.is_empty()) {
            let path = Path::new(folder).join("bin/python");
            // An environment that was deleted, but not deactivated, is not active.
            if is_program(&path) {
                let source = Source::Variable("VIRTUAL_ENV");
                return Ok(Self { path, source });
            }
        }
        ["python3", "python"]
            .iter()
            .find_map(|name| on_path(Path::new(name), search_path))
            .map(|path| Self {
                path,
                source: Source::SearchPath,
            })
            .ok_or(NoPython::NotFound)
    }

    fn chosen(chosen: &Sourced<PathBuf>, search_path: Option<&OsStr>) -> Result<Self, NoPython> {
        let given = &chosen.value;
        let found = if given.components().count() == 1 && !given.is_file() {
            on_path(given, search_path)
        } else {
            std::path::absolute(given)
                .ok()
                .filter(|path| is_program(path))
        };
        let source = chosen.source.clone();
        match found {
            Some(path) => Ok(Self { path, source }),
            None => Err(NoPython::NotAProgram {
                path: given.clone(),
                source_name: source,
            }),
        }
    }
}

fn on_path(name: &Path, search_path: Option<&OsStr>) -> Option<PathBuf> {
    std::env::split_paths(search_path?)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(path: &Path) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn the_active_environment_comes_before_path_and_a_choice_before_both() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        program(&root.join("venv/bin/python"));
        program(&root.join("usr/python3"));
        program(&root.join("usr/python3.9"));
        let (venv, path) = (root.join("venv"), root.join("usr"));
        let found = |chosen: Option<&str>, environment: Option<&Path>| {
            let chosen = chosen.map(|c| Sourced::new(PathBuf::from(c), Source::Flag("--python")));
            let environment = environment.map(Path::as_os_str);
            Interpreter::find_among(chosen.as_ref(), environment, Some(path.as_os_str()))
        };
        assert_eq!(
            found(None, Some(&venv)).unwrap().path,
            venv.join("bin/python")
        );
        assert_eq!(found(None, None).unwrap().path, path.join("python3"));
        let gone = root.join("gone");
        assert_eq!(found(None, Some(&gone)).unwrap().source, Source::SearchPath);
        let chosen = found(Some("python3.9"), Some(&venv)).unwrap();
        assert_eq!(chosen.path, path.join("python3.9"));
        let error = found(Some("/nowhere/python"), Some(&venv)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "/nowhere/python (--python) is no program that can be run"
        );
    }
}
