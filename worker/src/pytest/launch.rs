//! The command line that starts pytest with the plugin in it.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use super::guarded::Guarded;
use super::interpreter::Interpreter;
use super::plugin_folder::{NoFolder, PluginFolder};
use super::streams::Spares;

/// Does what `python -m pytest` does, after it has put the plugin's folder, which it takes off the
/// command line, onto the path. `-c` stands for the current folder where `-m` names it in full.
const BOOTSTRAP: &str = "import os, runpy, sys
folder = sys.argv.pop(1)
first = 0
if sys.path and sys.path[0] == '':
    sys.path[0] = os.getcwd()
    first = 1
sys.path.insert(first, folder)
del folder, first, os
runpy.run_module('pytest', run_name='__main__', alter_sys=True)
";

/// What is started, and how.
#[derive(Debug, Clone, Copy)]
pub struct Launch<'a> {
    /// Python.
    pub python: &'a Interpreter,
    /// Flags of Python itself.
    pub python_arguments: &'a [OsString],
    /// Arguments of pytest.
    pub arguments: &'a [OsString],
    /// Whether the peak memory of each test is measured.
    pub memory: bool,
    /// A run that belongs to an agent has a guard between the worker and pytest.
    pub guarded: Option<&'a Guarded>,
}

/// What pytest inherits for the plugin.
#[derive(Debug)]
pub(super) struct Handed {
    /// The writing end of its pipe.
    pub(super) events: OwnedFd,
    /// Where to print when the worker is gone.
    pub(super) spares: Spares,
}

/// Flags of the interpreter that take a value, which may follow as a word of its own.
const FLAGS_WITH_VALUE: &[u8] = b"XWQ";

/// `python PYTHON_ARGUMENTS -m pytest ARGUMENTS`, loading the plugin, which finds its pipe.
pub(super) fn command(
    launch: &Launch,
    plugin: &Result<PluginFolder, NoFolder>,
    handed: &Handed,
) -> Command {
    let mut command = Command::new(&launch.python.path);
    if let Some(guarded) = launch.guarded {
        command.env_clear().envs(guarded.variables.iter().cloned());
    }
    command
        .args(launch.python_arguments)
        .env_remove("PYTEST_PLATFORM_FD")
        .env_remove("PYTEST_PLATFORM_PYTHONPATH")
        .env_remove("PYTEST_PLATFORM_OUTPUT")
        .env_remove("PYTEST_PLATFORM_MEMORY")
        .env_remove("MASTER_TOKEN");
    match plugin {
        Ok(plugin) => {
            load(launch, plugin.path(), handed, &mut command);
        }
        // One that is installed would report on its own what is said to be not reported.
        Err(_) => {
            command
                .args(["-m", "pytest"])
                .env("PYTEST_PLATFORM_NESTED", "1");
        }
    }
    command.args(launch.arguments);
    match launch.guarded {
        Some(guarded) => guarded.around(&command),
        None => command,
    }
}

/// Makes pytest load the plugin and the plugin find its pipe.
fn load(launch: &Launch, folder: &Path, handed: &Handed, command: &mut Command) {
    let original = match launch.guarded {
        Some(guarded) => guarded.variable("PYTHONPATH"),
        None => std::env::var_os("PYTHONPATH"),
    };
    if ignores_environment(launch.python_arguments) {
        command.args(["-c", BOOTSTRAP]).arg(folder);
    } else {
        command
            .args(["-m", "pytest"])
            .env("PYTHONPATH", search_path(folder, original.as_deref()));
    }
    command
        .args(["-p", "pytest_platform.plugin"])
        .env("PYTEST_PLATFORM_FD", handed.events.as_raw_fd().to_string())
        .env("PYTEST_PLATFORM_OUTPUT", handed.spares.names());
    if launch.memory {
        command.env("PYTEST_PLATFORM_MEMORY", "1");
    }
    if let Some(original) = original {
        command.env("PYTEST_PLATFORM_PYTHONPATH", original);
    }
}

/// A `PYTHONPATH` that finds the plugin first, and then what `original` finds.
fn search_path(folder: &Path, original: Option<&OsStr>) -> OsString {
    let mut path = folder.as_os_str().to_owned();
    // An empty part would mean the current folder, an empty variable means nothing.
    if let Some(original) = original.filter(|original| !original.is_empty()) {
        path.push(":");
        path.push(original);
    }
    path
}

/// Whether one of these flags, alone or among others as in `-OOI`, makes Python ignore `PYTHONPATH`.
fn ignores_environment(python_arguments: &[OsString]) -> bool {
    let mut words = python_arguments.iter().map(|word| word.as_bytes());
    while let Some(word) = words.next() {
        let Some(flags) = word.strip_prefix(b"-") else {
            continue;
        };
        if flags.starts_with(b"-") {
            continue;
        }
        for (at, flag) in flags.iter().enumerate() {
            if *flag == b'I' || *flag == b'E' {
                return true;
            }
            if FLAGS_WITH_VALUE.contains(flag) {
                if at + 1 == flags.len() {
                    words.next();
                }
                break;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plugin_is_found_first_and_then_what_was_found_before() {
        let folder = Path::new("/plugin");
        let path = |original: Option<&str>| search_path(folder, original.map(OsStr::new));
        assert_eq!(path(Some("/a:/b")), "/plugin:/a:/b");
        assert_eq!(path(Some("")), "/plugin");
        assert_eq!(path(None), "/plugin");
    }

    #[test]
    fn a_flag_that_ignores_the_environment_is_seen_among_others_but_not_in_a_value() {
        let ignores = |words: &[&str]| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            ignores_environment(&words)
        };
        assert!(ignores(&["-I"]) && ignores(&["-OOE"]) && ignores(&["-X", "dev", "-I"]));
        assert!(!ignores(&["-OO", "-P", "-B"]));
        assert!(!ignores(&[
            "-W",
            "error::ImportWarning",
            "-WI",
            "-XEI",
            "--check-E"
        ]));
        assert!(!ignores(&["-W", "-I"]));
    }
}
