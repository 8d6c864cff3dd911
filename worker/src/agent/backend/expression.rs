//! From the names of a task's tests to an expression for pytest's `-k`.

use shared::limits;

/// Names that one group of `or` has: pytest nests as deep as a group is long.
const GROUP_NAMES_MAX: usize = 100;

/// Characters beside letters and digits that pytest reads as part of a name.
const NAME_CHARACTERS: &str = "_:+-.[]/";

/// Words that are operators.
const OPERATORS: [&str; 3] = ["and", "or", "not"];

/// `test1 or test2`; `None` selects all. A name with its module, `module::test`, has to match in both. A
/// name that could mean anything but itself is refused, with the reason.
pub(super) fn of_names(names: &[String]) -> Result<Option<String>, String> {
    if names.is_empty() {
        return Ok(None);
    }
    let terms: Vec<String> = names
        .iter()
        .map(|name| term(name))
        .collect::<Result<_, _>>()?;
    let groups: Vec<String> = terms
        .chunks(GROUP_NAMES_MAX)
        .map(|group| group.join(" or "))
        .collect();
    let expression = match groups.as_slice() {
        [only] => only.clone(),
        groups => format!("({})", groups.join(") or (")),
    };
    if expression.len() > limits::JOB_TEXT_BYTES_MAX {
        return Err(format!(
            "connectedTests: {} names are too many to be selected by name; the backend can leave them \
             out to run all tests",
            names.len()
        ));
    }
    Ok(Some(expression))
}

fn term(name: &str) -> Result<String, String> {
    let refused = |why: &str| {
        let shown: String = name.escape_default().take(100).collect();
        Err(format!("connectedTests: `{shown}` {why}"))
    };
    let name = name.trim();
    let parts: Vec<&str> = name.split("::").collect();
    for part in &parts {
        if part.is_empty() {
            return refused("is no name of a test");
        }
        if OPERATORS.contains(part) {
            return refused("is an operator and cannot select a test");
        }
        if let Some(bad) = part.chars().find(|c| !is_of_a_name(*c)) {
            let bad = bad.escape_default();
            return refused(&format!(
                "has the character `{bad}`; a test is selected by letters, digits and {NAME_CHARACTERS}"
            ));
        }
        if part.starts_with('-') {
            return refused("begins with `-`, which would be an option");
        }
    }
    Ok(match parts.as_slice() {
        [only] => (*only).to_owned(),
        parts => format!("({})", parts.join(" and ")),
    })
}

fn is_of_a_name(c: char) -> bool {
    c.is_alphanumeric() || NAME_CHARACTERS.contains(c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(names: &[&str]) -> Result<Option<String>, String> {
        of_names(
            &names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn names_become_the_contracts_expression() {
        assert_eq!(of(&["test1", "test2"]).unwrap().unwrap(), "test1 or test2");
        assert_eq!(of(&[]).unwrap(), None);
        assert_eq!(
            of(&["test_build::TestA::test_b[1-x]", "test_c"])
                .unwrap()
                .unwrap(),
            "(test_build and TestA and test_b[1-x]) or test_c"
        );
    }

    #[test]
    fn a_name_that_could_mean_something_else_is_refused_and_named() {
        for name in [
            "",
            " ",
            "not",
            "a or b",
            "a)",
            "\"a\"",
            "a\nb",
            "-x",
            "a::",
            "::a",
            "a::not",
            "a=1",
            "a\\b",
            "mark(a=1)",
            "a,b",
            "$(x)",
        ] {
            let error = of(&["good", name]).expect_err(name);
            assert!(error.starts_with("connectedTests: `"), "{error}");
        }
    }

    #[test]
    fn many_names_are_grouped_and_too_many_refused() {
        let many: Vec<String> = (0..250).map(|number| format!("test_{number}")).collect();
        let expression = of_names(&many).unwrap().unwrap();
        assert_eq!(expression.matches(") or (").count(), 2);
        assert!(expression.starts_with("(test_0 or ") && expression.ends_with("test_249)"));
        let too_many = vec!["test_with_a_long_name".to_owned(); 10_000];
        assert!(of_names(&too_many).unwrap_err().contains("10000"));
    }

    proptest! {
        #[test]
        fn whatever_the_names_the_expression_has_only_names_operators_and_its_own_parentheses(
            names in proptest::collection::vec("\\PC{0,12}|[a-z:()]{1,6}", 0..6)
        ) {
            if let Ok(Some(expression)) = of_names(&names) {
                for word in expression.split([' ', '(', ')']).filter(|word| !word.is_empty()) {
                    prop_assert!(word.chars().all(is_of_a_name));
                    prop_assert!(!word.starts_with('-') && word != "not");
                }
                prop_assert_eq!(
                    expression.matches('(').count(), expression.matches(')').count()
                );
            }
        }
    }
}
