//! uv: from PATH, or installed once for all jobs of the agent.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{FlockOperation, flock};

use super::PrepareRules;
use crate::agent::steps::environment::{self, Variable};
use crate::agent::steps::program::{self, Bounds};
use crate::agent::steps::words::Secrets;
use crate::agent::steps::{JobLog, Site, StepFailure};

/// Where uv is.
pub(super) fn find(
    site: &Site,
    rules: &PrepareRules,
    variables: &[Variable],
    bounds: &Bounds,
    log: &mut JobLog<impl Write>,
) -> Result<PathBuf, StepFailure> {
    if let Some(path) = on_path(environment::value(variables, "PATH").unwrap_or_default()) {
        return Ok(path);
    }
    let tools = site.cache().join("tools");
    let installed = tools.join("uv");
    if is_program(&installed) {
        return Ok(installed);
    }
    let system = |error: std::io::Error| {
        StepFailure::install(format!("cannot install uv for the agent: {error}"))
    };
    std::fs::create_dir_all(&tools).map_err(system)?;
    // Of two jobs that come at once, one installs it and the other waits.
    let lock = File::create(tools.join("uv.lock")).map_err(system)?;
    flock(&lock, FlockOperation::LockExclusive).map_err(|error| system(error.into()))?;
    if is_program(&installed) {
        return Ok(installed);
    }
    log.say("no uv on PATH; it is installed once, for all jobs of this agent");
    install(&tools, &installed, rules, variables, bounds, log)?;
    Ok(installed)
}

fn install(
    tools: &Path,
    installed: &Path,
    rules: &PrepareRules,
    variables: &[Variable],
    bounds: &Bounds,
    log: &mut JobLog<impl Write>,
) -> Result<(), StepFailure> {
    let system = |error: std::io::Error| {
        StepFailure::install(format!("cannot install uv for the agent: {error}"))
    };
    let folder = tempfile::tempdir_in(tools).map_err(system)?;
    let environment = folder.path().join("environment");
    let run = |program: &Path, arguments: &[&OsStr], log: &mut JobLog<_>| {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder.path());
        command.env_clear().envs(variables.iter().cloned());
        let ended = program::run(command, bounds, &Secrets::default(), log)
            .map_err(|broken| StepFailure::install(format!("cannot install uv: {broken}")))?;
        if ended.is_success() {
            return Ok(());
        }
        let words = ended.last_words();
        Err(StepFailure::install(format!(
            "the agent has no uv on its PATH and cannot install it: {words}"
        )))
    };
    let words = ["-m", "venv"].map(OsStr::new);
    run(
        &rules.python,
        &[words[0], words[1], environment.as_os_str()],
        log,
    )?;
    let words = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "uv",
    ]
    .map(OsStr::new);
    run(&environment.join("bin/python"), &words, log)?;
    std::fs::rename(environment.join("bin/uv"), installed).map_err(system)
}

fn on_path(path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join("uv"))
        .find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}
