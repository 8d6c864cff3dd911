//! Names of branches and tags, and numbers of commits, before git sees them.

/// Shortest beginning of a commit that git takes for one.
const COMMIT_DIGITS_MIN: usize = 7;

/// No part of a name ends like this: git keeps locks under such names.
const LOCK: &str = ".lock";

/// Longest name of a branch.
const NAME_BYTES_MAX: usize = 500;

/// Digits of a whole commit: SHA-1 or SHA-256.
const COMMIT_DIGITS: [usize; 2] = [40, 64];

/// Checks the name of a branch or tag by git's own rules.
pub(super) fn check_name(field: &str, name: &str) -> Result<(), String> {
    let wrong = |why: &str| Err(format!("{field}: {why}"));
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return wrong(&format!("a branch or tag has 1 to {NAME_BYTES_MAX} bytes"));
    }
    if name.starts_with('-') {
        return wrong("a branch or tag cannot begin with a dash");
    }
    let forbidden = |one: char| one.is_control() || " ~^:?*[\\\u{7f}".contains(one);
    let is_odd_part = |part: &str| {
        let has_lock = part.ends_with(LOCK);
        part.is_empty() || part.starts_with('.') || has_lock
    };
    if name.contains("..")
        || name.contains("@{")
        || name.ends_with('.')
        || name.chars().any(forbidden)
        || name.split('/').any(is_odd_part)
    {
        return wrong("git knows no branch or tag of such a name");
    }
    Ok(())
}

/// Checks the number of a commit, or its beginning.
pub(super) fn check_commit(field: &str, commit: &str) -> Result<(), String> {
    let digits_max = COMMIT_DIGITS[1];
    let is_number = commit.bytes().all(|digit| digit.is_ascii_hexdigit());
    if is_number && (COMMIT_DIGITS_MIN..=digits_max).contains(&commit.len()) {
        return Ok(());
    }
    Err(format!(
        "{field}: a commit is {COMMIT_DIGITS_MIN} to {digits_max} hexadecimal digits"
    ))
}

/// Whether it is a commit's whole number, which a server can be asked for.
pub(super) fn is_whole(commit: &str) -> bool {
    COMMIT_DIGITS.contains(&commit.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_by_the_rules_of_git() {
        let wrong = [
            "",
            "-x",
            "--upload-pack=x",
            "a b",
            "a..b",
            "a~1",
            "a^",
            "a:b",
            "a?",
            "a*",
            "a[",
            "a\\b",
            "/a",
            "a/",
            "a//b",
            ".a",
            "a/.b",
            "a.lock",
            "a.lock/b",
            "a.",
            "a@{1}",
            "a\nb",
            "a\u{7f}",
        ];
        for name in wrong {
            assert!(check_name("branch", name).is_err(), "{name}");
            // git itself agrees, but for the dash, which it minds elsewhere.
            let asked = std::process::Command::new("git")
                .args(["check-ref-format", &format!("refs/heads/{name}")])
                .status()
                .unwrap();
            assert!(!asked.success() || name.starts_with('-'), "{name}");
        }
        for name in ["main", "feature/x-1", "v1.0", "größe", "a@b", "1234567"] {
            assert_eq!(check_name("branch", name), Ok(()), "{name}");
        }
    }

    #[test]
    fn a_commit_is_hexadecimal_and_long_enough() {
        assert!(check_commit("commit", "0123abC").is_ok());
        assert!(is_whole(&"a".repeat(40)) && is_whole(&"a".repeat(64)) && !is_whole("0123abc"));
        for commit in ["", "123456", "HEAD~1234", "-abcdef0", &"a".repeat(65)] {
            assert!(check_commit("commit", commit).is_err(), "{commit}");
        }
    }
}
