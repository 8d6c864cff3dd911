//! Small suites of real tests, of which every outcome is known beforehand.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use shared::outcome::Outcome;
use xtask::random::Random;

use super::make_folder;
use crate::book::Expected;

/// Put beside every suite: each test that ended goes to a file of the suite's own, with the
/// time of a clock that all processes share. It owes nothing to the worker or its plugin.
const CONFTEST: &str = include_str!("../../suite/conftest.py");
/// The one file of tests.
const FILE: &str = "test_suite.py";

/// A folder with tests.
#[derive(Debug, Clone)]
pub(crate) struct Suite {
    /// Where pytest is started.
    pub(crate) folder: PathBuf,
    /// Arguments of pytest.
    pub(crate) arguments: Vec<String>,
    /// What comes of it, in the order of the file.
    pub(crate) expected: Vec<Expected>,
}

/// What a suite is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// How many tests.
    pub(crate) tests: u64,
    /// How long each of them sleeps, in milliseconds.
    pub(crate) sleep_ms: u64,
    /// Processes of xdist, 0 for none.
    pub(crate) processes: u32,
    /// Whether some of them fail.
    pub(crate) failures: bool,
}

impl Suite {
    /// Writes a suite into a new folder.
    pub(crate) fn write(folder: &Path, shape: Shape, random: &mut Random) -> Result<Self> {
        let folder = make_folder(folder)?;
        let mut text = String::from("import select\n\nimport pytest\n\n");
        text.push_str(
            "\n@pytest.fixture\ndef broken():\n    raise RuntimeError('token-setup')\n\n",
        );
        let mut expected = Vec::new();
        for number in 0..shape.tests {
            let name = format!("test_{number:04}");
            let outcome = if shape.failures {
                pick(random)
            } else {
                Outcome::Passed
            };
            let token = write_test(&mut text, &name, outcome, shape.sleep_ms);
            expected.push(Expected {
                nodeid: format!("{FILE}::{name}"),
                outcome,
                token,
            });
        }
        std::fs::write(folder.join(FILE), text).context("cannot write a suite")?;
        std::fs::write(folder.join("conftest.py"), CONFTEST).context("cannot write a suite")?;
        // Without this pytest would look for a configuration in the folders above.
        std::fs::write(folder.join("pytest.ini"), "[pytest]\n").context("cannot write a suite")?;
        let mut arguments = vec![
            "-q".to_owned(),
            "-p".to_owned(),
            "no:cacheprovider".to_owned(),
        ];
        if shape.processes > 0 {
            arguments.extend(["-n".to_owned(), shape.processes.to_string()]);
        }
        Ok(Self {
            folder,
            arguments,
            expected,
        })
    }

    /// The exit code that pytest has to end with.
    pub(crate) fn exit_code(&self) -> i32 {
        let bad = self.expected.iter().any(|test| test.outcome.is_bad());
        i32::from(bad)
    }
}

fn pick(random: &mut Random) -> Outcome {
    match random.below(20) {
        0 | 1 => Outcome::Failed,
        2 => Outcome::Error,
        3 => Outcome::Skipped,
        4 => Outcome::Xfailed,
        _ => Outcome::Passed,
    }
}

/// Writes one test, and answers with what its message has to contain.
fn write_test(text: &mut String, name: &str, outcome: Outcome, sleep_ms: u64) -> Option<String> {
    let token = format!("token-{name}");
    let sleep = if sleep_ms == 0 {
        "pass".to_owned()
    } else {
        format!("select.select([], [], [], {})", sleep_ms as f64 / 1e3)
    };
    let (before, parameter, last) = match outcome {
        Outcome::Failed => ("", "", format!("assert False, '{token}'")),
        Outcome::Error => ("", "broken", "pass".to_owned()),
        Outcome::Skipped => ("", "", format!("pytest.skip('{token}')")),
        Outcome::Xfailed => ("@pytest.mark.xfail\n", "", "assert False".to_owned()),
        _ => ("", "", "pass".to_owned()),
    };
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "\n{before}def {name}({parameter}):\n    {sleep}\n    {last}\n\n"
    );
    match outcome {
        Outcome::Failed | Outcome::Skipped => Some(token),
        Outcome::Error => Some("token-setup".to_owned()),
        _ => None,
    }
}
