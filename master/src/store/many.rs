//! Statements about many rows or values at once. Their text is composed of fixed parts and
//! placeholders only, and their sizes are powers of two, so that few distinct statements have to be
//! prepared.

use std::fmt::Write;

/// Most placeholders in one statement. SQLite looks each one up among all of them, so what a value
/// costs grows with their number; below some hundred, the call itself costs more.
const PLACEHOLDERS_MAX: usize = 512;

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
pub(super) fn values(head: &'static str, rows: usize, width: usize, tail: &'static str) -> String {
    let mut text = String::with_capacity(head.len() + tail.len() + rows * width * 6);
    text.push_str(head);
    for row in 0..rows {
        text.push_str(if row == 0 { " (" } else { ",(" });
        placeholders(&mut text, row * width + 1, width);
        text.push(')');
    }
    text.push(' ');
    text.push_str(tail);
    text
}

/// `head ($n,$n+1,...)`, for `in`.
pub(super) fn list(head: &'static str, first: usize, length: usize) -> String {
    let mut text = format!("{head} (");
    placeholders(&mut text, first, length);
    text.push(')');
    text
}

fn placeholders(text: &mut String, first: usize, length: usize) {
    for number in first..first + length {
        let comma = if number == first { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = write!(text, "{comma}${number}");
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
        );
        assert_eq!(
            text,
            "insert into t (a, b) values ($1,$2),($3,$4) on conflict do nothing"
        );
        assert_eq!(
            list("select a from t where a in", 2, 2),
            "select a from t where a in ($2,$3)"
        );
    }
}
