//! Names of an archive's entries: those that stay inside, however they are written.

use super::Limits;

/// Folders that are left out: what git keeps there can name programs that git starts.
const LEFT_OUT: &str = ".git";

/// What a name means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Named {
    /// The folder itself.
    Root,
    /// Something of git's own, which is left out.
    LeftOut,
    /// The parts of a path below the folder, at least one.
    Below(Vec<String>),
}

/// Reads the name of an entry; an error says why it is not taken.
pub(super) fn read(name: &[u8], limits: &Limits) -> Result<Named, String> {
    if name.len() > limits.path_bytes_max {
        return Err(format!(
            "its name is longer than {} bytes",
            limits.path_bytes_max
        ));
    }
    let name = std::str::from_utf8(name).map_err(|_| "its name is no UTF-8".to_owned())?;
    if name.starts_with('/') {
        return Err("its name is absolute".to_owned());
    }
    if name.contains('\\') {
        return Err("its name has a backslash".to_owned());
    }
    if name.chars().any(char::is_control) {
        return Err("its name has control characters".to_owned());
    }
    let parts: Vec<String> = name
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .map(str::to_owned)
        .collect();
    if parts.iter().any(|part| part == "..") {
        return Err("its name leads out of the folder".to_owned());
    }
    if parts.first().is_some_and(|first| is_drive(first)) {
        return Err("its name begins with a drive".to_owned());
    }
    if parts.iter().any(|part| part.len() > limits.part_bytes_max) {
        let bytes_max = limits.part_bytes_max;
        return Err(format!(
            "a part of its name is longer than {bytes_max} bytes"
        ));
    }
    if parts.len() > limits.depth_max {
        return Err(format!(
            "it lies more than {} folders deep",
            limits.depth_max
        ));
    }
    if parts.is_empty() {
        return Ok(Named::Root);
    }
    if parts.iter().any(|part| part.eq_ignore_ascii_case(LEFT_OUT)) {
        return Ok(Named::LeftOut);
    }
    Ok(Named::Below(parts))
}

/// `C:`, or `C:something`.
fn is_drive(part: &str) -> bool {
    let bytes = part.as_bytes();
    bytes.len() >= 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':'
}

/// Checks the target of a symbolic link that lies in a folder so many levels below the root.
///
/// All `..` have to come first: the link's own folder is a real one, so they lead to real folders, and
/// what follows leads down, perhaps through other such links. A `..` behind a link could lead anywhere.
pub(super) fn check_target(target: &[u8], levels: usize, limits: &Limits) -> Result<(), String> {
    if target.is_empty() || target.len() > limits.path_bytes_max {
        return Err("the link leads nowhere".to_owned());
    }
    let target = std::str::from_utf8(target).map_err(|_| "the link is no UTF-8".to_owned())?;
    if target.starts_with('/') || target.contains('\\') || target.chars().any(char::is_control) {
        return Err("only links to what is in the archive are taken".to_owned());
    }
    let mut parts = target
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .peekable();
    let mut ups = 0;
    while parts.next_if_eq(&"..").is_some() {
        ups += 1;
    }
    let down: Vec<&str> = parts.collect();
    if ups > levels || down.contains(&"..") {
        return Err("the link leads out of the folder".to_owned());
    }
    if down.iter().any(|part| part.eq_ignore_ascii_case(LEFT_OUT)) {
        return Err("the link leads to what is left out".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_the_folder_are_refused() {
        let limits = Limits::default();
        for name in [
            "/etc/passwd",
            "../x",
            "a/../../x",
            "a/..",
            "..",
            "C:/x",
            "C:x",
            "a\\..\\b",
            "\\x",
            "a\nb",
            "a\0b",
            "./../x",
            "a/b/../../../x",
        ] {
            assert!(read(name.as_bytes(), &limits).is_err(), "{name:?}");
        }
        assert!(read(b"\xff", &limits).is_err());
        assert!(read(&vec![b'a'; 300], &limits).is_err());
        assert!(read("a/".repeat(100).as_bytes(), &limits).is_err());
    }

    #[test]
    fn names_that_stay_are_taken_part_by_part() {
        let below = |name: &str| read(name.as_bytes(), &Limits::default()).unwrap();
        assert_eq!(
            below("./a//b/./c.py"),
            Named::Below(vec!["a".into(), "b".into(), "c.py".into()])
        );
        assert_eq!(below("./"), Named::Root);
        assert_eq!(below("x/.GIT/config"), Named::LeftOut);
        assert_eq!(below(".gitignore"), Named::Below(vec![".gitignore".into()]));
        assert_eq!(below("..."), Named::Below(vec!["...".into()]));
        assert_eq!(below("größe.txt"), Named::Below(vec!["größe.txt".into()]));
    }

    #[test]
    fn links_lead_up_first_and_never_out() {
        let check =
            |target: &str, levels| check_target(target.as_bytes(), levels, &Limits::default());
        assert!(check("b.py", 0).is_ok() && check("../b", 1).is_ok() && check("./..", 1).is_ok());
        for (target, levels) in [
            ("", 0),
            ("/etc", 5),
            ("..", 0),
            ("../..", 1),
            ("a/..", 3),
            ("a/../../..", 3),
            ("../a/..", 3),
            (".git/config", 0),
            ("a\\b", 0),
        ] {
            assert!(check(target, levels).is_err(), "{target}");
        }
    }
}
