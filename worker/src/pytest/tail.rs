//! The end of what pytest printed, in bounded memory.

use shared::limits::LOG_TAIL_BYTES_MAX;

/// Bytes kept while the output runs: colour codes take room, and go at the end.
const KEPT_BYTES_MAX: usize = 2 * LOG_TAIL_BYTES_MAX;

/// The last bytes of a stream.
#[derive(Debug, Default)]
pub(super) struct Tail {
    bytes: Vec<u8>,
    dropped: bool,
}

impl Tail {
    /// Adds output.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let bytes = if bytes.len() > KEPT_BYTES_MAX {
            self.dropped = true;
            &bytes[bytes.len() - KEPT_BYTES_MAX..]
        } else {
            bytes
        };
        // Moved once in a while and not at every line.
        if self.bytes.len() + bytes.len() > 2 * KEPT_BYTES_MAX {
            self.bytes.drain(..self.bytes.len() - KEPT_BYTES_MAX);
            self.dropped = true;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The end of the output as text of at most [`LOG_TAIL_BYTES_MAX`] bytes, without escape
    /// sequences. It starts at the beginning of a line where something before it is missing.
    pub(super) fn into_text(self) -> String {
        let start = self.bytes.len().saturating_sub(KEPT_BYTES_MAX);
        let text = plain(&String::from_utf8_lossy(&self.bytes[start..]));
        let cut = text.len().saturating_sub(LOG_TAIL_BYTES_MAX);
        if cut == 0 && start == 0 && !self.dropped {
            return text;
        }
        let rest = &text[text.ceil_char_boundary(cut)..];
        match rest.split_once('\n') {
            Some((_, lines)) => lines.to_owned(),
            None => rest.to_owned(),
        }
    }
}

/// `text` without terminal escape sequences, carriage returns before line ends and NUL.
fn plain(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => skip_escape(&mut characters),
            '\r' if characters.peek() == Some(&'\n') => {}
            '\0' => kept.push(char::REPLACEMENT_CHARACTER),
            other => kept.push(other),
        }
    }
    kept
}

fn skip_escape(characters: &mut std::iter::Peekable<std::str::Chars>) {
    match characters.next() {
        // CSI: parameters, then one final character.
        Some('[') => {
            for character in characters.by_ref() {
                if ('\u{40}'..='\u{7e}').contains(&character) {
                    return;
                }
            }
        }
        // OSC (titles, links): ended by BEL or ESC \.
        Some(']') => {
            while let Some(character) = characters.next() {
                if character == '\u{7}' {
                    return;
                }
                if character == '\u{1b}' {
                    characters.next_if_eq(&'\\');
                    return;
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_output_is_kept_whole_and_without_colours() {
        let mut tail = Tail::default();
        tail.push(b"\x1b[32m.\x1b[0m\x1b]8;;http://x\x1b\\link\x1b]8;;\x07\r\n");
        tail.push(b"done\0\n");
        assert_eq!(tail.into_text(), ".link\ndone\u{fffd}\n");
    }

    #[test]
    fn a_long_output_keeps_its_last_lines_in_bounded_memory() {
        let mut tail = Tail::default();
        for number in 0..200_000 {
            tail.push(format!("line {number} é\n").as_bytes());
            assert!(tail.bytes.len() <= 2 * KEPT_BYTES_MAX);
        }
        let text = tail.into_text();
        assert!(text.len() <= LOG_TAIL_BYTES_MAX && text.len() > LOG_TAIL_BYTES_MAX - 100);
        assert!(text.starts_with("line ") && text.ends_with("line 199999 é\n"));
    }

    #[test]
    fn one_huge_write_leaves_its_end() {
        let mut tail = Tail::default();
        tail.push(&vec![b'x'; 10 * KEPT_BYTES_MAX]);
        assert_eq!(tail.into_text().len(), LOG_TAIL_BYTES_MAX);
    }
}
