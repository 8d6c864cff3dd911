//! Which paths the library knows, and which ones an upload may have. Pure: looks at no file.

use std::fmt;

use shared::limits::{LIBRARY_DEPTH_MAX, LIBRARY_NAME_BYTES_MAX, LIBRARY_PATH_BYTES_MAX};
use shared::validate::Invalid;

/// What an upload may end in: Python, what configures it, and the data that tests read.
pub const EXTENSIONS: [&str; 59] = [
    "ambr", "bin", "bz2", "cfg", "conf", "crt", "css", "csv", "dat", "db", "der", "feature", "gif",
    "graphql", "gz", "hex", "htm", "html", "ini", "j2", "jpeg", "jpg", "js", "json", "jsonl",
    "lock", "log", "md", "mp3", "mp4", "npy", "npz", "parquet", "pdf", "pem", "pkl", "png",
    "proto", "py", "pyi", "robot", "rst", "sh", "snap", "sql", "sqlite", "svg", "tar", "tmpl",
    "toml", "tsv", "txt", "typed", "wav", "webp", "xml", "yaml", "yml", "zip",
];

/// Names that mean a device on Windows, whatever follows behind a dot.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// Folders in which Python keeps what it compiled.
const COMPILED: &str = "__pycache__";

/// The path of a file in the library: relative, parts separated by `/`, none of them able to leave it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LibraryPath(String);

impl LibraryPath {
    /// A path as somebody names it who wants to read. `field` is what an error names.
    pub fn of(field: &str, text: &str) -> Result<Self, Invalid> {
        let refused = |reason: String| Err(Invalid::new(field, reason));
        if text.is_empty() {
            return refused("must name a file, relative to the library".to_owned());
        }
        if text.len() > LIBRARY_PATH_BYTES_MAX {
            return refused(format!(
                "must be at most {LIBRARY_PATH_BYTES_MAX} bytes, has {}",
                text.len()
            ));
        }
        if text.starts_with('/') {
            return refused(
                "must be relative to the library, so must not begin with `/`".to_owned(),
            );
        }
        if text.split('/').count() > LIBRARY_DEPTH_MAX + 1 {
            return refused(format!(
                "must not be deeper than {LIBRARY_DEPTH_MAX} folders"
            ));
        }
        for part in text.split('/') {
            if let Some(reason) = hides(part) {
                return refused(reason);
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// A path as somebody names it who uploads: every system can hold it, and its name says that it is
    /// Python or data.
    pub fn of_upload(field: &str, text: &str) -> Result<Self, Invalid> {
        let path = Self::of_new_folder(field, text)?;
        let extension = path.name().rsplit_once('.').map(|(_, extension)| extension);
        let extension = extension.unwrap_or_default().to_lowercase();
        if EXTENSIONS.binary_search(&extension.as_str()).is_err() {
            let reason = format!(
                "`{}` must end in one of .{}; other files can be put there on the master's file system",
                shown(path.name()),
                EXTENSIONS.join(" .")
            );
            return Err(Invalid::new(field, reason));
        }
        Ok(path)
    }

    /// A folder that may have to be made: every system can hold it.
    pub fn of_new_folder(field: &str, text: &str) -> Result<Self, Invalid> {
        let path = Self::of(field, text)?;
        let reason = path.parts().find_map(unportable);
        match reason {
            Some(reason) => Err(Invalid::new(field, reason)),
            None => Ok(path),
        }
    }

    /// The whole path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its parts, the last being the file's name.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// The folders that it is in, from the outermost, and its name.
    pub fn split(&self) -> (Vec<&str>, &str) {
        let mut folders: Vec<&str> = self.parts().collect();
        folders.pop();
        (folders, self.name())
    }

    /// The file's name.
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&*self.0, |(_, name)| name)
    }
}

impl fmt::Display for LibraryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a part of a path is not seen by the library, not even when it is there.
pub(super) fn hides(part: &str) -> Option<String> {
    let name = shown(part);
    if part.is_empty() {
        Some("must not have empty parts: no `//`, no `/` at the end".to_owned())
    } else if part == "." || part == ".." {
        Some(format!("must not have a part `{name}`"))
    } else if part.starts_with('.') {
        Some(format!("`{name}` is hidden: no part may begin with a dot"))
    } else if part.len() > LIBRARY_NAME_BYTES_MAX {
        Some(format!(
            "no part may be longer than {LIBRARY_NAME_BYTES_MAX} bytes"
        ))
    } else if part.contains(['/', '\\']) {
        Some(format!(
            "`{name}` contains a backslash; parts are separated by `/`"
        ))
    } else if part.chars().any(char::is_control) {
        Some(format!("`{name}` contains a control character"))
    } else if part.to_lowercase() == COMPILED {
        Some(format!(
            "`{COMPILED}` holds what Python compiled, no source"
        ))
    } else {
        None
    }
}

/// Why a part that the library would see cannot be on every system, or means something else there.
fn unportable(part: &str) -> Option<String> {
    let name = shown(part);
    if part.contains(['<', '>', ':', '"', '|', '?', '*']) {
        return Some(format!("`{name}` contains one of < > : \" | ? *"));
    }
    if part.chars().any(misleads) {
        return Some(format!(
            "`{name}` contains a character that is not seen or turns the text around"
        ));
    }
    if part.ends_with('.')
        || part.starts_with(char::is_whitespace)
        || part.ends_with(char::is_whitespace)
    {
        return Some(format!(
            "`{name}` begins or ends with a space, or ends with a dot"
        ));
    }
    if is_device(part) {
        return Some(format!("`{name}` is the name of a device on Windows"));
    }
    None
}

/// What makes a name look like another one: format characters, as for the direction of text.
const fn misleads(letter: char) -> bool {
    matches!(
        letter,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
    )
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    let stem = stem.to_lowercase();
    if DEVICES.contains(&stem.as_str()) {
        return true;
    }
    let port = stem
        .strip_prefix("com")
        .or_else(|| stem.strip_prefix("lpt"));
    let mut digits = port.unwrap_or_default().chars();
    let is_digit = |digit: char| digit.is_ascii_digit() || matches!(digit, '¹' | '²' | '³');
    digits.next().is_some_and(is_digit) && digits.next().is_none()
}

/// What two names share that some systems cannot tell apart.
pub(super) fn folded(name: &str) -> String {
    name.to_uppercase().to_lowercase()
}

/// A name as an error may show it.
fn shown(name: &str) -> String {
    let short: String = name.chars().take(LIBRARY_NAME_BYTES_MAX).collect();
    short.escape_debug().to_string()
}

/// Whether pytest collects a file of this name by itself.
pub(super) fn is_test(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".py") else {
        return false;
    };
    stem.starts_with("test_") || stem.ends_with("_test")
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::*;

    fn refusal(text: &str) -> String {
        let error = LibraryPath::of_upload("path", text).expect_err(text);
        assert_eq!(error.field, "path");
        error.reason
    }

    #[test]
    fn extensions_are_sorted_because_they_are_searched() {
        assert!(EXTENSIONS.is_sorted());
    }

    #[test]
    fn ordinary_paths_are_taken() {
        for text in [
            "test_a.py",
            "dir/new dir/test_é.py",
            "a-b/c.d/conftest.py",
            "data/values.JSON",
            "uv.lock",
            "com10.py",
            "console.py",
            "test_..py",
        ] {
            let path = LibraryPath::of_upload("path", text).unwrap();
            assert_eq!(path.as_str(), text);
        }
    }

    #[test]
    fn every_refusal_says_why() {
        for (text, reason) in [
            ("", "name a file"),
            ("/etc/passwd.py", "begin with `/`"),
            ("a//b.py", "empty parts"),
            ("a/", "empty parts"),
            ("../a.py", "part `..`"),
            ("a/../b.py", "part `..`"),
            ("./a.py", "part `.`"),
            ("a\\b.py", "backslash"),
            ("a\0b.py", "control"),
            ("a\nb.py", "control"),
            ("a\u{85}b.py", "control"),
            (".hidden.py", "hidden"),
            ("a/.git/config.py", "hidden"),
            ("__pycache__/a.py", "compiled"),
            ("__PyCache__/a.py", "compiled"),
            ("CON.py", "device"),
            ("nul.tar.gz", "device"),
            ("aux .py", "device"),
            ("dir/COM1.py", "device"),
            ("lpt³.py", "device"),
            ("CONIN$.py", "device"),
            ("folder./a.py", "ends with a dot"),
            ("folder /a.py", "space"),
            (" a.py", "space"),
            ("C:/a.py", "< > :"),
            ("a.py:stream.py", "< > :"),
            ("a\u{202e}yp.py", "turns the text around"),
            ("a\u{200b}.py", "not seen"),
            ("a.exe", "must end in one of"),
            ("Makefile", "must end in one of"),
            ("a.py.", "ends with a dot"),
        ] {
            let told = refusal(text);
            assert!(told.contains(reason), "{text:?}: {told}");
        }
        assert!(refusal(&format!("{}.py", "a".repeat(LIBRARY_NAME_BYTES_MAX))).contains("longer"));
        assert!(refusal(&"a/".repeat(LIBRARY_PATH_BYTES_MAX)).contains("at most"));
        assert!(refusal(&format!("{}a.py", "a/".repeat(LIBRARY_DEPTH_MAX + 1))).contains("deeper"));
    }

    #[test]
    fn names_that_some_systems_cannot_tell_apart_fold_to_the_same() {
        for (one, other) in [
            ("Test_A.py", "test_a.py"),
            ("STRASSE.py", "straße.py"),
            ("\u{212a}.py", "k.py"),
        ] {
            assert_eq!(folded(one), folded(other), "{one} {other}");
        }
        assert_ne!(folded("a.py"), folded("b.py"));
    }

    #[test]
    fn what_pytest_collects_is_a_test() {
        for name in ["test_a.py", "a_test.py", "test_.py"] {
            assert!(is_test(name), "{name}");
        }
        for name in ["testa.py", "conftest.py", "test_a.txt", "test.py"] {
            assert!(!is_test(name), "{name}");
        }
    }

    /// Parts that an attacker would try, and ordinary ones.
    fn part() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("..".to_owned()),
            Just(".".to_owned()),
            Just(String::new()),
            Just("CON".to_owned()),
            Just("~".to_owned()),
            "[a-z]{1,8}",
            "[a-z]{1,4}\\.py",
            "\\PC{0,6}",
            "(?s).{0,6}",
        ]
    }

    proptest! {
        #[test]
        fn what_is_taken_never_leaves_the_library(
            parts in proptest::collection::vec(part(), 0..6),
            separator in prop_oneof![Just("/"), Just("\\"), Just("//"), Just("%2f")],
        ) {
            let text = parts.join(separator);
            for path in [LibraryPath::of("path", &text), LibraryPath::of_upload("path", &text)].into_iter().flatten() {
                prop_assert_eq!(path.as_str(), &text);
                prop_assert!(!text.is_empty() && text.len() <= LIBRARY_PATH_BYTES_MAX);
                prop_assert!(!text.contains(['\0', '\\']));
                let components: Vec<Component<'_>> = Path::new(&text).components().collect();
                prop_assert_eq!(components.len(), path.parts().count());
                for (component, part) in components.into_iter().zip(path.parts()) {
                    prop_assert_eq!(component, Component::Normal(part.as_ref()));
                    prop_assert!(!part.starts_with('.') && !part.chars().any(char::is_control));
                }
            }
        }

        #[test]
        fn what_an_upload_may_have_can_be_read(text in "(?s).{0,40}(\\.py)?") {
            if LibraryPath::of_upload("path", &text).is_ok() {
                prop_assert!(LibraryPath::of("path", &text).is_ok());
            }
        }
    }
}
