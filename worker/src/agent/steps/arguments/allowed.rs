//! What the agent's owner allows beyond the list.

use std::collections::BTreeSet;

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

    /// Whether nothing is looked at.
    pub(super) const fn is_everything(&self) -> bool {
        self.everything
    }

    /// Whether the owner named this one.
    pub(super) fn names(&self, option: &str) -> bool {
        self.names.contains(option)
    }
}
