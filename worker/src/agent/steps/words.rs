//! Words of programs, made fit for errors and logs.

/// Lines of a program that an error shows.
const LINES_MAX: usize = 12;

/// Bytes of a program's words that an error shows.
const BYTES_MAX: usize = 2 * 1024;

/// Secrets shorter than this would take ordinary words out of the log.
const SECRET_BYTES_MIN: usize = 3;

/// What stands in the place of a secret.
const MASK: &str = "***";

/// Texts that must not get into a log.
#[derive(Debug, Clone, Default)]
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    /// Adds one.
    pub(super) fn add(&mut self, secret: &str) {
        if secret.len() >= SECRET_BYTES_MIN {
            self.0.push(secret.to_owned());
            // The longest first: one may be part of another.
            self.0.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        }
    }

    /// The text without them.
    pub(super) fn taken_out(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.0 {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), MASK);
            }
        }
        text
    }
}

/// The last lines that say something, without what moves a terminal's cursor.
pub(super) fn last_lines(text: &str) -> String {
    let lines = text.split(['\n', '\r']).map(printable);
    let lines: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
    let mut kept = Vec::new();
    let mut bytes = 0;
    for line in lines.iter().rev().take(LINES_MAX) {
        bytes += line.len() + 1;
        if bytes > BYTES_MAX && !kept.is_empty() {
            break;
        }
        kept.push(line.as_str());
    }
    kept.reverse();
    let mut text = kept.join("\n");
    if text.len() > BYTES_MAX {
        text.truncate(text.floor_char_boundary(BYTES_MAX));
    }
    text
}

/// A line without control characters and without the sequences that colour a terminal.
pub(super) fn printable(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            if characters.next_if_eq(&'[').is_some() {
                // Up to the letter that ends the sequence.
                for inner in characters.by_ref() {
                    if ('@'..='~').contains(&inner) {
                        break;
                    }
                }
            }
        } else if character == '\t' {
            plain.push(' ');
        } else if !character.is_control() {
            plain.push(character);
        }
    }
    plain.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_secret_is_taken_out_first() {
        let mut secrets = Secrets::default();
        secrets.add("pass");
        secrets.add("password1");
        secrets.add("x");
        assert_eq!(
            secrets.taken_out("say password1 to pass x"),
            "say *** to *** x"
        );
    }

    #[test]
    fn only_the_last_lines_are_shown_and_colours_are_not() {
        let lines: Vec<String> = (0..50)
            .map(|line| format!("\u{1b}[31mline {line}\u{1b}[0m\r\n"))
            .collect();
        let text = lines.concat();
        let shown = last_lines(&text);
        assert!(
            shown.starts_with("line 38\n") && shown.ends_with("line 49"),
            "{shown}"
        );
        assert_eq!(last_lines("\n \u{7}\n"), "");
    }

    #[test]
    fn a_very_long_line_is_cut_at_a_character() {
        let shown = last_lines(&"ä".repeat(BYTES_MAX));
        assert!(shown.len() <= BYTES_MAX && shown.ends_with('ä'));
    }
}
