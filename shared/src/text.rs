//! Cutting texts that tests produced, visibly.

use std::borrow::Cow;

/// Cuts `text` to at most `bytes_max` bytes, keeping its beginning and its end and saying in the
/// middle how much is missing: a traceback is read from both ends.
///
/// ```
/// let long = "a".repeat(500) + &"z".repeat(500);
/// let cut = shared::text::cut(&long, 200);
/// assert!(cut.len() <= 200 && cut.contains("bytes cut"));
/// assert!(cut.starts_with('a') && cut.ends_with('z'));
/// ```
pub fn cut(text: &str, bytes_max: usize) -> Cow<'_, str> {
    if text.len() <= bytes_max {
        return Cow::Borrowed(text);
    }
    let room = bytes_max.saturating_sub(marker(text.len()).len());
    let head = text.floor_char_boundary(room - room / 3);
    let tail = text.ceil_char_boundary(text.len() - room / 3);
    let mark = marker(tail - head);
    if mark.len() > bytes_max {
        return Cow::Borrowed(&text[..text.floor_char_boundary(bytes_max)]);
    }
    Cow::Owned(format!("{}{mark}{}", &text[..head], &text[tail..]))
}

/// Cuts a text in place; see [`cut`]. Answers whether anything was cut.
pub fn cut_in_place(text: &mut String, bytes_max: usize) -> bool {
    if text.len() <= bytes_max {
        return false;
    }
    *text = cut(text, bytes_max).into_owned();
    true
}

fn marker(bytes: usize) -> String {
    format!("\n[... {bytes} bytes cut ...]\n")
}

#[cfg(test)]
mod tests {
    use super::cut;
    use proptest::prelude::*;

    #[test]
    fn a_short_text_stays_as_it_is() {
        assert_eq!(cut("short", 5), "short");
    }

    proptest! {
        #[test]
        fn a_cut_text_never_exceeds_the_limit_and_never_splits_a_character(
            text in "\\PC{0,400}", bytes_max in 0usize..600
        ) {
            let short = cut(&text, bytes_max);
            prop_assert!(short.len() <= bytes_max);
            if text.len() <= bytes_max {
                prop_assert_eq!(&*short, &*text);
            }
        }
    }
}
