//! A program that stands in for another.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// A shell script that becomes the command of these words, with whatever arguments it is given itself.
///
/// bubblewrap would end upon a signal at once, and everything in it. So it ignores those that ask pytest
/// to end; inside they mean again what they always do.
pub(super) fn of(words: &[OsString]) -> Vec<u8> {
    let mut script = b"#!/bin/sh\ntrap '' INT TERM HUP\nexec".to_vec();
    for word in words {
        script.push(b' ');
        quote(word.as_bytes(), &mut script);
    }
    script.extend_from_slice(b" \"$@\"\n");
    script
}

fn quote(word: &[u8], script: &mut Vec<u8>) {
    script.push(b'\'');
    for byte in word {
        match byte {
            b'\'' => script.extend_from_slice(b"'\\''"),
            other => script.push(*other),
        }
    }
    script.push(b'\'');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_reach_the_program_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("script");
        let words = ["printf", "%s|", "it's", "$HOME", "a b", "\\", ""];
        std::fs::write(&path, of(&words.map(OsString::from))).unwrap();
        let output = std::process::Command::new("sh")
            .arg(&path)
            .args(["*", "x y"])
            .output()
            .unwrap();
        assert_eq!(output.stdout, b"it's|$HOME|a b|\\||*|x y|");
    }
}
