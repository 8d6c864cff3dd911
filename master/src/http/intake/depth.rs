//! How deep a JSON text nests.

/// Whether arrays and objects nest deeper than `depth_max`. The parser itself needs no such bound;
/// it keeps every other program that will ever read the same body out of trouble.
pub(super) fn exceeds(json: &[u8], depth_max: usize) -> bool {
    let mut depth = 0_usize;
    let mut position = 0;
    while let Some(byte) = json.get(position) {
        match byte {
            b'"' => position = end_of_string(json, position + 1),
            b'[' | b'{' => {
                depth += 1;
                if depth > depth_max {
                    return true;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        position += 1;
    }
    false
}

/// Position of the quote that ends the string which starts at `position`.
fn end_of_string(json: &[u8], mut position: usize) -> usize {
    loop {
        match json.get(position) {
            Some(b'\\') => position += 2,
            Some(b'"') | None => return position,
            Some(_) => position += 1,
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
