//! Where a Python has its files.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Prints them, one a line.
const QUESTION: &str = "import sys
for name in ('prefix', 'base_prefix', 'exec_prefix', 'base_exec_prefix'):
    print(getattr(sys, name))
";

/// Folders that are too much to be let in for the sake of a Python.
const TOO_MUCH: [&str; 4] = ["/", "/root", "/home", "/var"];

/// The folders that this Python needs.
pub(super) fn folders(python: &Path) -> Result<Vec<PathBuf>, String> {
    let output = Command::new(python)
        .args(["-I", "-c", QUESTION])
        .env_clear()
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .map_err(|error| format!("--python: cannot start {}: {error}", python.display()))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let mut folders: Vec<PathBuf> = said.lines().map(PathBuf::from).collect();
    if !output.status.success() || folders.is_empty() {
        return Err(format!(
            "--python: {} does not say where it is",
            python.display()
        ));
    }
    // A link to a Python leads elsewhere.
    folders.extend(python.parent().map(Path::to_owned));
    folders.sort();
    folders.dedup();
    folders.retain(|folder| !folder.starts_with("/usr") && !folder.starts_with("/bin"));
    match folders
        .iter()
        .find(|folder| TOO_MUCH.iter().any(|much| Path::new(much) == *folder))
    {
        Some(folder) => Err(format!(
            "--sandbox: the Python {} needs {}, which holds too much to be let in; choose another \
             with --python",
            python.display(),
            folder.display()
        )),
        None => Ok(folders),
    }
}
