//! Answers that stay within a size, and say what they left out.

use schemars::JsonSchema;
use serde::Serialize;

/// A part of an answer that was cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Truncated {
    /// Which part.
    pub section: &'static str,
    /// How many items are not in it.
    pub left_out: u64,
    /// How to get them.
    pub how: String,
}

impl Truncated {
    /// A note on a cut part, `None` when nothing was left out.
    pub fn note(section: &'static str, left_out: usize, how: impl Into<String>) -> Option<Self> {
        (left_out > 0).then(|| Self {
            section,
            left_out: left_out as u64,
            how: how.into(),
        })
    }
}

/// The size of something as JSON.
pub fn json_bytes(value: &impl Serialize) -> usize {
    serde_json::to_vec(value).map_or(usize::MAX, |json| json.len())
}

/// Keeps as many items from the front as fit into `bytes_max` as a JSON array. Answers how many
/// were left out.
pub fn keep_front<T: Serialize>(items: &mut Vec<T>, bytes_max: usize) -> usize {
    let mut bytes = 2;
    let fitting = items
        .iter()
        .take_while(|item| {
            bytes += json_bytes(item) + 1;
            bytes <= bytes_max
        })
        .count();
    let left_out = items.len() - fitting;
    items.truncate(fitting);
    left_out
}

/// How many bytes an answer may have when `limit` was asked for and `usual` is the default: a
/// caller who asks for more rows gets more bytes.
pub fn answer_bytes(limit: u32, usual: u32) -> usize {
    let times = (limit.div_ceil(usual.max(1)) as usize).max(1);
    (crate::limits::ANSWER_BYTES_MAX * times).min(crate::limits::ANSWER_ASKED_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::{answer_bytes, json_bytes, keep_front};

    #[test]
    fn what_is_kept_fits_and_the_rest_is_counted() {
        let mut items = vec!["0123456789"; 100];
        let left_out = keep_front(&mut items, 200);
        assert_eq!(items.len() + left_out, 100);
        assert!(json_bytes(&items) <= 200);
        assert!(items.len() > 10);
    }

    #[test]
    fn a_larger_limit_buys_a_larger_answer() {
        assert_eq!(answer_bytes(10, 10), 8 * 1024);
        assert_eq!(answer_bytes(1, 10), 8 * 1024);
        assert_eq!(answer_bytes(30, 10), 24 * 1024);
        assert_eq!(answer_bytes(5_000, 10), 128 * 1024);
    }
}
