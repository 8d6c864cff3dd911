//! What a token or an account may do: the rules for names, scopes and projects.

use std::collections::BTreeSet;

use shared::access::Scope;
use shared::limits::{NAME_BYTES_MAX, SHORT_NAME_BYTES_MAX};
use shared::validate::Invalid;

use crate::store::StoreError;

/// What a token or an account may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// Its name, unlike that of any other token or account.
    pub name: String,
    /// What it may do; at least one thing.
    pub scopes: BTreeSet<Scope>,
    /// The only project that it sees.
    pub project: Option<String>,
}

impl Granted {
    /// Refuses what breaks a rule.
    pub(super) fn check(&self) -> Result<(), Invalid> {
        check_name(&self.name)?;
        let refuse = |field: &str, reason: String| Err(Invalid::new(field, reason));
        if self.scopes.is_empty() {
            return refuse(
                "scope",
                "name at least one: report, read, run, admin".into(),
            );
        }
        let Some(project) = &self.project else {
            return Ok(());
        };
        if project.is_empty() || project.len() > NAME_BYTES_MAX {
            return refuse("project", format!("must have 1 to {NAME_BYTES_MAX} bytes"));
        }
        if project.chars().any(char::is_control) {
            return refuse("project", "must not contain control characters".into());
        }
        if self.scopes.contains(&Scope::Admin) {
            let reason = "the scope `admin` means everything and cannot be bound to a project; \
                          give `report`, `read` and `run` instead";
            return refuse("project", reason.into());
        }
        Ok(())
    }

    /// The scopes as they are stored.
    pub(super) fn scope_words(&self) -> String {
        let words: Vec<&str> = self.scopes.iter().map(|scope| scope.as_str()).collect();
        words.join(" ")
    }
}

/// Names are put into logs and URLs, and must not be mistaken for one another.
pub(super) fn check_name(name: &str) -> Result<(), Invalid> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._@+-".contains(c);
    if name.is_empty() || name.len() > SHORT_NAME_BYTES_MAX || !name.chars().all(is_allowed) {
        let reason = format!(
            "must have 1 to {SHORT_NAME_BYTES_MAX} of the characters A-Z, a-z, 0-9 and ._@+-"
        );
        return Err(Invalid::new("name", reason));
    }
    if name.starts_with('-') {
        return Err(Invalid::new("name", "must not begin with `-`"));
    }
    Ok(())
}

/// The inverse of [`Granted::scope_words`].
pub(super) fn read_scopes(words: &str) -> Result<BTreeSet<Scope>, StoreError> {
    let scopes = words.split(' ').map(|word| {
        Scope::parse(word).ok_or_else(|| StoreError::damaged("scopes", format!("`{word}` is none")))
    });
    scopes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(name: &str, scopes: &[Scope], project: Option<&str>) -> Granted {
        Granted {
            name: name.to_owned(),
            scopes: scopes.iter().copied().collect(),
            project: project.map(str::to_owned),
        }
    }

    #[test]
    fn a_grant_names_itself_at_least_one_scope_and_a_project_that_can_be() {
        let read = [Scope::Read];
        assert!(granted("ci-1_a.b@x+y", &read, Some("shop")).check().is_ok());
        for (bad, field) in [
            (granted("", &read, None), "name"),
            (granted("-x", &read, None), "name"),
            (granted("a b", &read, None), "name"),
            (granted("ä", &read, None), "name"),
            (granted(&"x".repeat(101), &read, None), "name"),
            (granted("a", &[], None), "scope"),
            (granted("a", &read, Some("")), "project"),
            (granted("a", &read, Some("a\nb")), "project"),
            (granted("a", &[Scope::Admin], Some("shop")), "project"),
        ] {
            assert_eq!(bad.check().unwrap_err().field, field, "{bad:?}");
        }
    }

    #[test]
    fn scopes_are_read_back() {
        let all = granted("a", &Scope::ALL, None);
        assert_eq!(read_scopes(&all.scope_words()).unwrap(), all.scopes);
        assert!(read_scopes("read write").is_err());
    }
}
