//! Statements about many rows or values at once. Their text is composed of fixed parts and
//! placeholders only, and their sizes are powers of two, so that few distinct statements have to be
//! prepared.

use std::fmt::Write;

/// Most placeholders in one statement. With fewer, the call itself costs more than what it does.
const PLACEHOLDERS_MAX: usize = 4_096;

/// How a statement names the values that are bound to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placeholders {
    /// `$1`, `$2` and so on.
    Numbered,
    /// `?` for each value in turn.
    InTurn,
}

/// Cuts rows of `width` values into pieces whose lengths are powers of two.
pub(super) fn chunks<T>(rows: &[T], width: usize) -> impl Iterator<Item = &[T]> {
    let longest = 1 << (PLACEHOLDERS_MAX / width).max(1).ilog2();
    let mut rest = rows;
    std::iter::from_fn(move || {
        let length = 1usize << rest.len().checked_ilog2()?;
        let (piece, behind) = rest.split_at(length.min(longest));
        rest = behind;
        Some(piece)
    })
}

/// `head ($1,$2),($3,$4) tail`.
pub(super) fn values(
    head: &'static str,
    rows: usize,
    width: usize,
    tail: &'static str,
    style: Placeholders,
) -> String {
    let mut text = String::with_capacity(head.len() + tail.len() + rows * width * 6);
    text.push_str(head);
    for row in 0..rows {
        text.push_str(if row == 0 { " (" } else { ",(" });
        placeholders(&mut text, row * width + 1, width, style);
        text.push(')');
    }
    text.push(' ');
    text.push_str(tail);
    text
}

/// `head ($n,$n+1,...)`, for `in`; in the head, the values before are `$1` and so on, in this order.
pub(super) fn list(head: &'static str, first: usize, length: usize, style: Placeholders) -> String {
    let mut text = format!("{head} (");
    if style == Placeholders::InTurn {
        // The driver counts the two kinds apart: a statement has one of them only.
        for number in 1..first {
            text = text.replacen(&format!("${number}"), "?", 1);
        }
    }
    placeholders(&mut text, first, length, style);
    text.push(')');
    text
}

fn placeholders(text: &mut String, first: usize, length: usize, style: Placeholders) {
    for number in first..first + length {
        let comma = if number == first { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = match style {
            Placeholders::Numbered => write!(text, "{comma}${number}"),
            Placeholders::InTurn => write!(text, "{comma}?"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_powers_of_two_and_lose_nothing() {
        for count in [0, 1, 3, 100, 1_023, 5_000] {
            let rows: Vec<usize> = (0..count).collect();
            let pieces: Vec<&[usize]> = chunks(&rows, 3).collect();
            assert!(pieces.iter().all(|piece| piece.len().is_power_of_two()));
            assert!(
                pieces
                    .iter()
                    .all(|piece| piece.len() * 3 <= PLACEHOLDERS_MAX)
            );
            assert_eq!(pieces.concat(), rows);
        }
    }

    #[test]
    fn placeholders_count_on_over_rows() {
        let text = values(
            "insert into t (a, b) values",
            2,
            2,
            "on conflict do nothing",
            Placeholders::Numbered,
        );
        assert_eq!(
            text,
            "insert into t (a, b) values ($1,$2),($3,$4) on conflict do nothing"
        );
        assert_eq!(
            list("select a from t where a in", 2, 2, Placeholders::Numbered),
            "select a from t where a in ($2,$3)"
        );
        assert_eq!(
            list(
                "select a from t where b = $1 and a in",
                2,
                2,
                Placeholders::InTurn
            ),
            "select a from t where b = ? and a in (?,?)"
        );
    }
}
