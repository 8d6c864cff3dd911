//! A value and where it came from.

use std::fmt;
use std::path::PathBuf;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A flag of the command line.
    Flag(&'static str),
    /// An environment variable.
    Variable(&'static str),
    /// `[tool.pytest-platform]` of this file.
    Pyproject(PathBuf),
    /// The CI system of this name.
    Ci(String),
    /// git, asked about the current folder.
    Git,
    /// The name of the current folder.
    Folder,
    /// The machine.
    Host,
    /// `PATH`.
    SearchPath,
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Variable(name) => write!(f, "environment {name}"),
            Self::Pyproject(path) => write!(f, "{}", path.display()),
            Self::Ci(name) => write!(f, "{name}"),
            Self::Git => f.write_str("git"),
            Self::Folder => f.write_str("folder name"),
            Self::Host => f.write_str("host name"),
            Self::SearchPath => f.write_str("PATH"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value with its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub source: Source,
}

impl<T> Sourced<T> {
    /// A value from this source.
    pub const fn new(value: T, source: Source) -> Self {
        Self { value, source }
    }
}
