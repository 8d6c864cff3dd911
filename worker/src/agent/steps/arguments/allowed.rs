//! What the agent's owner allows beyond the list.

use std::collections::BTreeSet;

use crate::agent::steps::StepFailure;

/// Variables in which pytest finds further arguments and plugins.
const VARIABLES: [&str; 2] = ["PYTEST_ADDOPTS", "PYTEST_PLUGINS"];

/// Options of pytest that jobs may give.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedArguments {
    names: BTreeSet<String>,
    everything: bool,
}

impl AllowedArguments {
    /// The agent's own list and what its owner adds to it: names of options, or `*`.
    pub(in crate::agent::steps) fn of(further: &[String]) -> Result<Self, String> {
        let mut allowed = Self::default();
        for name in further {
            if name == "*" {
                allowed.everything = true;
                continue;
            }
            let is_long = name.len() > 2 && name.starts_with("--");
            let is_short = name.chars().count() == 2 && name.starts_with('-') && name != "--";
            if !(is_long || is_short) || name.contains(['=', ' ']) {
                return Err(format!(
                    "--allow-arg {name}: give the name of one option, such as --my-option or -p, or *"
                ));
            }
            allowed.names.insert(name.clone());
        }
        Ok(allowed)
    }

    /// Checks the name of a variable that a job sets: pytest takes arguments from some.
    pub fn check_variable(&self, name: &str) -> Result<(), StepFailure> {
        if self.everything || !VARIABLES.contains(&name) {
            return Ok(());
        }
        Err(StepFailure::subprocess(format!(
            "env: {name} is refused: it adds arguments and plugins that nobody looks at; use `args`, \
             or have the agent's owner allow everything with --allow-arg=*"
        )))
    }

    /// Whether nothing is looked at.
    pub(super) const fn is_everything(&self) -> bool {
        self.everything
    }

    /// Whether the owner named this one.
    pub(super) fn names(&self, option: &str) -> bool {
        self.names.contains(option)
    }
}
