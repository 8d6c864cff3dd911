//! Lone surrogates: Python's `json.dumps` writes `"\ud800"` for text that is not valid Unicode, and
//! no Rust string can hold it.

/// Turns every escape of a lone surrogate into the same six characters as plain text (`\ud800`
/// becomes `\\ud800`), so that a run with a strange name is kept and the name can be read back.
/// `None` when there is none.
pub(super) fn spell_out(json: &str) -> Option<String> {
    let mut spelled = String::new();
    let mut copied = 0;
    let mut position = 0;
    // Outside of strings a backslash is an error anyway, so strings need not be told apart.
    while let Some(found) = json.get(position..).and_then(|rest| rest.find('\\')) {
        let escape = position + found;
        position = match unit(json, escape) {
            Some(0xD800..=0xDBFF) if is_low(unit(json, escape + 6)) => escape + 12,
            Some(0xD800..=0xDFFF) => {
                spelled.push_str(&json[copied..escape]);
                spelled.push('\\');
                copied = escape;
                escape + 6
            }
            Some(_) => escape + 6,
            None => escape + 2,
        };
    }
    if copied == 0 {
        return None;
    }
    spelled.push_str(&json[copied..]);
    Some(spelled)
}

fn is_low(unit: Option<u16>) -> bool {
    matches!(unit, Some(0xDC00..=0xDFFF))
}

/// The number in `\uXXXX` at this position.
fn unit(json: &str, position: usize) -> Option<u16> {
    let digits = json.get(position..position + 6)?.strip_prefix("\\u")?;
    let are_digits = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    are_digits
        .then(|| u16::from_str_radix(digits, 16).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::spell_out;

    fn read(json: &str) -> String {
        serde_json::from_str(&spell_out(json).unwrap()).unwrap()
    }

    #[test]
    fn lone_surrogates_become_text() {
        assert_eq!(read(r#""\ud800""#), r"\ud800");
        assert_eq!(read(r#""a\udcffb\uD83D""#), r"a\udcffb\uD83D");
        assert_eq!(read(r#""\ud800\ud83d\ude00""#), "\\ud800😀");
        assert_eq!(read(r#""é\\\udc00""#), "é\\\\udc00");
    }

    #[test]
    fn everything_else_is_left_alone() {
        for json in [
            r#""\ud83d\ude00""#,
            r#""\\ud800""#,
            r#""plain\n""#,
            r#""\u00e9""#,
            "\\",
            "\\u12",
        ] {
            assert_eq!(spell_out(json), None, "{json}");
        }
    }
}
