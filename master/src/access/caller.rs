//! Who asks.

use std::collections::BTreeSet;

use shared::access::Scope;

/// Whoever sent a request, once it is known that he may send it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Name of the token or the account; empty when the master asks nobody.
    pub name: String,
    /// What he may do.
    pub scopes: BTreeSet<Scope>,
    /// The only project that he sees.
    pub project: Option<String>,
}

impl Caller {
    /// Anybody, while there is neither a token nor an account.
    pub fn anybody() -> Self {
        Self {
            name: String::new(),
            scopes: Scope::ALL.into(),
            project: None,
        }
    }

    /// Somebody who was not asked, and may do nothing.
    pub const fn nobody() -> Self {
        Self {
            name: String::new(),
            scopes: BTreeSet::new(),
            project: None,
        }
    }

    /// The only project that he sees.
    pub fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }

    /// Whether he may see what belongs to a project.
    pub fn sees(&self, project: &str) -> bool {
        self.project().is_none_or(|own| own == project)
    }
}
