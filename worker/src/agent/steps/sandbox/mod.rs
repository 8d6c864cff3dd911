//! The sandbox: bubblewrap around whatever a job brings.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Site;
use super::options::StepOptions;

/// What a sandbox lets in beside the job's own folders.
#[derive(Debug, Clone, Default)]
pub(super) struct Opening {
    /// Programs that can be read and started; what they link to as well.
    pub(super) read: Vec<PathBuf>,
    /// Folders that can be written.
    pub(super) write: Vec<PathBuf>,
    /// Whether the network is there.
    pub(super) network: bool,
}

/// How processes are shut in. It is only made where it works.
#[derive(Debug, Clone)]
pub struct Sandbox {}

impl Sandbox {
    /// Out of the agent's flags: none unless `--sandbox` is given. Where it is given and cannot be
    /// had, the error says what is missing.
    pub(super) fn of(options: &StepOptions) -> Result<Option<Self>, String> {
        if options.sandbox {
            return Err("--sandbox cannot be had yet".to_owned());
        }
        Ok(None)
    }

    pub(super) fn command(&self, _site: &Site, _opening: &Opening) -> Command {
        Command::new("bwrap")
    }

    pub(super) fn python(&self, python: &Path, _site: &Site) -> io::Result<PathBuf> {
        Ok(python.to_owned())
    }
}
