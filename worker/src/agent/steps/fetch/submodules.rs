//! Submodules, for jobs that ask for them: their addresses obey the same rules.

use std::io::Write;

use super::git::Git;
use crate::agent::steps::{JobLog, StepFailure};

/// Most submodules of a source, at whatever depth.
const SUBMODULES_MAX: usize = 100;

/// How deep submodules are followed into submodules.
const DEPTH_MAX: usize = 5;

/// Fetches the submodules of a checkout, and theirs.
pub(super) fn take(git: &Git<'_>, log: &mut JobLog<impl Write>) -> Result<(), StepFailure> {
    let mut waiting = vec![(git.folder.clone(), 1)];
    let mut count = 0;
    while let Some((folder, depth)) = waiting.pop() {
        if !folder.join(".gitmodules").is_file() {
            continue;
        }
        if depth > DEPTH_MAX {
            return Err(StepFailure::fetch(format!(
                "submodules lie more than {DEPTH_MAX} deep in one another"
            )));
        }
        let git = git.within(&folder);
        // This resolves relative addresses; what it notes is what is fetched afterwards.
        git.must(
            &["submodule", "--quiet", "init"],
            "read the submodules",
            log,
        )?;
        count += check(&git)?;
        if count > SUBMODULES_MAX {
            return Err(StepFailure::fetch(format!(
                "the source has more than {SUBMODULES_MAX} submodules"
            )));
        }
        let update = ["submodule", "update", "--checkout", "--force", "--depth=1"];
        git.must(&update, "fetch the submodules", log)?;
        waiting.extend(
            paths(&git)?
                .into_iter()
                .map(|path| (folder.join(path), depth + 1)),
        );
    }
    Ok(())
}

/// Checks every address that git has noted. Answers how many there are.
fn check(git: &Git<'_>) -> Result<usize, StepFailure> {
    let asked = [
        "config",
        "--local",
        "--null",
        "--get-regexp",
        r"^submodule\..*\.url$",
    ];
    let noted = git.ask(&asked)?.unwrap_or_default();
    let mut count = 0;
    for entry in noted.split('\0').filter(|entry| !entry.is_empty()) {
        let (key, address) = entry.split_once('\n').unwrap_or((entry, ""));
        let name = key
            .trim_start_matches("submodule.")
            .trim_end_matches(".url");
        git.rules
            .address(&format!("the submodule {name:?}"), address)
            .map_err(StepFailure::fetch)?;
        count += 1;
    }
    Ok(count)
}

/// Where the submodules are.
fn paths(git: &Git<'_>) -> Result<Vec<String>, StepFailure> {
    let asked = [
        "config",
        "--file",
        ".gitmodules",
        "--null",
        "--get-regexp",
        r"^submodule\..*\.path$",
    ];
    let noted = git.ask(&asked)?.unwrap_or_default();
    let entries = noted.split('\0').filter_map(|entry| entry.split_once('\n'));
    // git itself refuses paths that leave the checkout when it updates.
    Ok(entries.map(|(_, path)| path.to_owned()).collect())
}
