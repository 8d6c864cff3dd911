//! The sandbox: bubblewrap around whatever a job brings.

use super::options::StepOptions;

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
}
