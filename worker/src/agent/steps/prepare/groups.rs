//! The extras and dependency groups of a project that its tests need.
//!
//! `uv sync` installs the group `dev` by itself. Many keep pytest elsewhere, and installing everything
//! brings documentation tools and extras that exclude one another; so those are taken that are named
//! after tests or that hold pytest or one of its plugins.

use toml::{Table, Value};

/// Names that mean tests.
const NAMES: [&str; 3] = ["test", "tests", "testing"];

/// Extras and groups, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Groups {
    pub(super) extras: Vec<String>,
    pub(super) groups: Vec<String>,
}

impl Groups {
    /// Those of a pyproject.toml that tests need.
    pub(super) fn of_tests(pyproject: &Table) -> Self {
        let project = pyproject.get("project").and_then(Value::as_table);
        let extras = project.and_then(|project| project.get("optional-dependencies"));
        Self {
            extras: for_tests(extras),
            groups: for_tests(pyproject.get("dependency-groups")),
        }
    }

    /// As flags of `uv sync`.
    pub(super) fn flags(&self) -> impl Iterator<Item = &str> {
        let extras = self.extras.iter().flat_map(|name| ["--extra", name]);
        extras.chain(self.groups.iter().flat_map(|name| ["--group", name]))
    }
}

fn for_tests(lists: Option<&Value>) -> Vec<String> {
    let lists = lists.and_then(Value::as_table).into_iter().flatten();
    lists
        .filter(|(name, list)| {
            is_name(name) && (NAMES.contains(&normal(name).as_str()) || holds_pytest(list))
        })
        .map(|(name, _)| name.clone())
        .collect()
}

/// A group may also include another by its name, which then counts by itself.
fn holds_pytest(list: &Value) -> bool {
    let requirements = list
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    requirements.map(normal).any(|requirement| {
        requirement
            .strip_prefix("pytest")
            .is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric()))
    })
}

/// What could be taken for a flag is no name.
fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|one| one.is_ascii_alphanumeric() || "-_.".contains(one))
}

/// Names are compared without regard to case and to the kind of dash.
fn normal(name: &str) -> String {
    name.trim().to_ascii_lowercase().replace(['_', '.'], "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_named_after_tests_and_lists_that_hold_pytest_are_taken() {
        let pyproject: Table = r#"
            [project.optional-dependencies]
            Test = ["mock"]
            qa = ["PyTest_xdist>=3"]
            docs = ["sphinx", "pytestify", "pytester2"]
            "-odd" = ["pytest"]
            [dependency-groups]
            ci = [{ include-group = "x" }, "pytest ; python_version > '3'"]
            lint = ["ruff"]
            testing = []
        "#
        .parse()
        .unwrap();
        let groups = Groups::of_tests(&pyproject);
        assert_eq!(groups.extras, ["Test", "qa"]);
        assert_eq!(groups.groups, ["ci", "testing"]);
        let flags: Vec<&str> = groups.flags().collect();
        assert_eq!(flags[..2], ["--extra", "Test"]);
        assert_eq!(flags[6..], ["--group", "testing"]);
    }
}
