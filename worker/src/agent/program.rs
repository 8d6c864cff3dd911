//! This very program, to be started once more.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// How it is called in lists of processes.
const NAME: &str = "pytest-platform-worker";

/// Its path. On Linux it leads to the program that runs, also when its file was replaced meanwhile.
pub fn path() -> std::io::Result<PathBuf> {
    if cfg!(target_os = "linux") {
        Ok("/proc/self/exe".into())
    } else {
        std::env::current_exe()
    }
}

/// A command that starts it.
pub fn command() -> std::io::Result<Command> {
    let mut command = Command::new(path()?);
    command.arg0(NAME);
    Ok(command)
}
