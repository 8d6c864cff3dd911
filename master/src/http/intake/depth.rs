//! How deep a JSON text nests.

/// Whether arrays and objects nest deeper than `depth_max`. The parser itself needs no such bound;
/// it keeps every other program that will ever read the same body out of trouble.
pub(super) fn exceeds(json: &[u8], depth_max: usize) -> bool {
    let mut depth = 0_usize;
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => skip_string(&mut bytes),
            b'[' | b'{' => {
                depth += 1;
                if depth > depth_max {
                    return true;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// Moves behind the quote that ends a string.
fn skip_string(bytes: &mut std::slice::Iter<'_, u8>) {
    loop {
        match bytes.next() {
            Some(b'\\') => drop(bytes.next()),
            Some(b'"') | None => return,
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::exceeds;

    #[test]
    fn depth_is_counted_outside_of_strings_only() {
        assert!(!exceeds(br#"{"a": [1, [2]]}"#, 3));
        assert!(exceeds(br#"{"a": [1, [2]]}"#, 2));
        assert!(!exceeds(br#"["[[[[\"[[[[", "]]"]"#, 1));
        assert!(!exceeds(b"[][][][]", 1));
        assert!(!exceeds(br#"["ends in a backslash \"#, 1));
    }
}
