//! How pytest is started by a worker that belongs to an agent.
//!
//! Its environment is what the agent says, and nothing of the worker's own. The guard between them has no
//! variable of the job by its name: one such as `LD_PRELOAD` must not reach it.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// What the names of the tests' variables begin with until the guard has started them.
pub(super) const PREFIX: &str = "GUARDED_";

/// What the guard is called in lists of processes, so that whoever ends all workers by their name leaves
/// it to end the tests.
pub(super) const GUARD_NAME: &str = "pytest-guard";

/// The environment of tests that an agent runs.
#[derive(Debug, Clone)]
pub struct Guarded {
    /// This program.
    pub program: PathBuf,
    /// All variables of the tests.
    pub variables: Vec<(OsString, OsString)>,
    /// Whether pytest runs in a sandbox.
    pub is_sandboxed: bool,
}

impl Guarded {
    /// The last value of a variable.
    pub(super) fn variable(&self, name: &str) -> Option<OsString> {
        let mut found = self.variables.iter().rev();
        let found = found.find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone())
    }

    /// The guard that starts this command.
    pub(super) fn around(&self, command: &Command) -> Command {
        let mut guard = Command::new(&self.program);
        guard
            .arg0(GUARD_NAME)
            .arg("guard")
            .args(self.is_sandboxed.then_some("--sandboxed"))
            .arg("--")
            .arg(command.get_program())
            .args(command.get_args())
            .env_clear();
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                guard.env(prefixed(name), value);
            }
        }
        guard
    }
}

fn prefixed(name: &OsStr) -> OsString {
    let mut prefixed = OsString::from(PREFIX);
    prefixed.push(name);
    prefixed
}
