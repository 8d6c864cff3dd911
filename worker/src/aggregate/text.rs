//! Texts from the pipe: made storable, cut, and kept within the memory of one run.

use shared::limits;
use shared::text::cut_in_place;

/// Bytes of failure texts that one run keeps whole; what comes later keeps its message only. The
/// whole run has to fit into one body of [`limits::BODY_BYTES_MAX`].
const WHOLE_TEXTS_BYTES_MAX: usize = limits::BODY_BYTES_MAX / 4;

/// Bytes of failure texts after which a run keeps none.
const TEXTS_BYTES_MAX: usize = limits::BODY_BYTES_MAX / 2;

/// Makes a text fit to be stored: no NUL, at most `bytes_max` bytes. The plugin does the same; a
/// test that writes into the pipe does not.
pub(super) fn storable(mut text: String, bytes_max: usize) -> String {
    if text.contains('\0') {
        text = text.replace('\0', "\\x00");
    }
    cut_in_place(&mut text, bytes_max);
    text
}

/// A nodeid that fits: one that is too long keeps its beginning and gets a hash of the whole, so
/// that two long ids stay two.
pub(super) fn nodeid(text: String) -> String {
    if text.len() <= limits::NODEID_BYTES_MAX && !text.contains('\0') {
        return text;
    }
    let text = text.replace('\0', "\\x00");
    if text.len() <= limits::NODEID_BYTES_MAX {
        return text;
    }
    let mark = format!("[... cut, {:016x}]", fnv1a(text.as_bytes()));
    let head = text.floor_char_boundary(limits::NODEID_BYTES_MAX - mark.len());
    format!("{}{mark}", &text[..head])
}

/// The hash of Fowler, Noll and Vo: small, and the same on every machine and in every version.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// How much more text a run may keep.
#[derive(Debug, Default)]
pub(super) struct TextBudget {
    used: usize,
    /// Whether any text was shortened because of the run's own limit.
    pub(super) exceeded: bool,
}

impl TextBudget {
    /// Takes a short text, such as a message.
    pub(super) fn short(&mut self, text: String, bytes_max: usize) -> String {
        let limit = if self.used < WHOLE_TEXTS_BYTES_MAX {
            bytes_max
        } else if self.used < TEXTS_BYTES_MAX {
            limits::MESSAGE_SHORT_BYTES_MAX
        } else {
            0
        };
        self.take(text, bytes_max, limit)
    }

    /// Takes a long text, such as a traceback.
    pub(super) fn long(&mut self, text: String, bytes_max: usize) -> String {
        let limit = if self.used < WHOLE_TEXTS_BYTES_MAX {
            bytes_max
        } else {
            0
        };
        self.take(text, bytes_max, limit)
    }

    fn take(&mut self, text: String, bytes_max: usize, limit: usize) -> String {
        self.exceeded |= limit < bytes_max && text.len() > limit;
        let text = storable(text, limit);
        self.used += text.len();
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_long_ids_that_begin_alike_stay_two() {
        let long = "x".repeat(limits::NODEID_BYTES_MAX);
        let (first, second) = (nodeid(format!("{long}a")), nodeid(format!("{long}b")));
        assert_ne!(first, second);
        assert!(first.len() <= limits::NODEID_BYTES_MAX);
    }

    #[test]
    fn a_run_of_huge_failures_keeps_messages_when_tracebacks_no_longer_fit() {
        let mut budget = TextBudget::default();
        while budget.used < WHOLE_TEXTS_BYTES_MAX {
            budget.long("x".repeat(1_000_000), limits::TRACEBACK_BYTES_MAX);
        }
        assert!(!budget.exceeded);
        assert_eq!(budget.long("late".into(), 100), "");
        assert_eq!(budget.short("late".into(), 100), "late");
        assert!(budget.exceeded);
    }
}
