//! A folder with tests in it, and the worker to run there.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::python;

/// A project of its own.
pub(crate) struct Stage {
    folder: TempDir,
    home: TempDir,
}

/// What a command did, as text.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Stage {
    /// A folder with one file of tests.
    pub(crate) fn with(tests: &str) -> Self {
        let stage = Self {
            folder: tempfile::tempdir().unwrap(),
            home: tempfile::tempdir().unwrap(),
        };
        stage.write("test_it.py", tests);
        stage
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where the worker keeps its state.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Where it keeps its journals.
    pub(crate) fn state(&self) -> std::path::PathBuf {
        self.home().join("state/pytest-platform")
    }

    /// A command in the folder, in an environment that says nothing of masters and CI systems.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.home())
            .env("XDG_STATE_HOME", self.home().join("state"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null());
        command
    }

    /// The worker with these words.
    pub(crate) fn worker(&self, words: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_pytest-platform-worker"));
        command.args(words);
        command
    }

    /// `run` against this master, with arguments for pytest.
    pub(crate) fn run(&self, master_url: &str, pytest_arguments: &[&str]) -> Command {
        let mut command = self.worker(&["run", "--python"]);
        command
            .arg(python::with_pytest())
            .arg("--")
            .args(["-p", "no:cacheprovider"])
            .args(pytest_arguments)
            .env("MASTER_URL", master_url);
        command
    }

    /// pytest without us.
    pub(crate) fn plain(&self, pytest_arguments: &[&str]) -> Command {
        let mut command = self.command(python::with_pytest());
        command
            .args(["-m", "pytest", "-p", "no:cacheprovider"])
            .args(pytest_arguments);
        command
    }
}

/// Runs a command to its end.
pub(crate) fn done(command: &mut Command) -> Done {
    told(&command.output().unwrap())
}

pub(crate) fn told(output: &Output) -> Done {
    use std::os::unix::process::ExitStatusExt;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let signal = output.status.signal();
    Done {
        code: output.status.code().unwrap_or_else(|| -signal.unwrap()),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    }
}
