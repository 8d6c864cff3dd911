//! What became of one test.

use serde::{Deserialize, Serialize};

/// An outcome in pytest's words, and three that pytest has no word for: `crashed`, `timeout` and
/// (among the attempts of a case) `rerun`.
///
/// The order is the order of badness: the `outcome` of a case is the greatest of its `outcomes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Outcome {
    /// An attempt that failed and was repeated (pytest-rerunfailures). Never the outcome of a case
    /// that was reported to its end.
    Rerun = 0,
    /// Skipped, by a mark, a condition or at run time.
    Skipped = 1,
    /// Failed as expected.
    Xfailed = 2,
    /// Passed.
    Passed = 3,
    /// Passed although a failure was expected (and the mark was not strict).
    Xpassed = 4,
    /// An error in setup or teardown.
    Error = 5,
    /// Failed.
    Failed = 6,
    /// It was running when the session's time limit ended it.
    Timeout = 7,
    /// It was running when its process died.
    Crashed = 8,
}

impl Outcome {
    /// Every outcome, in order of badness.
    pub const ALL: [Self; 9] = [
        Self::Rerun,
        Self::Skipped,
        Self::Xfailed,
        Self::Passed,
        Self::Xpassed,
        Self::Error,
        Self::Failed,
        Self::Timeout,
        Self::Crashed,
    ];

    /// Whether a person has to look at it.
    pub const fn is_bad(self) -> bool {
        matches!(
            self,
            Self::Error | Self::Failed | Self::Timeout | Self::Crashed
        )
    }

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rerun => "rerun",
            Self::Skipped => "skipped",
            Self::Xfailed => "xfailed",
            Self::Passed => "passed",
            Self::Xpassed => "xpassed",
            Self::Error => "error",
            Self::Failed => "failed",
            Self::Timeout => "timeout",
            Self::Crashed => "crashed",
        }
    }

    /// The outcome with this number, the inverse of `as u8`.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// The worst of a list, `None` when the list is empty.
    pub fn worst(outcomes: &[Self]) -> Option<Self> {
        outcomes.iter().copied().max()
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome;

    #[test]
    fn codes_are_the_positions_in_all() {
        for (position, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, position);
            assert_eq!(Outcome::from_code(outcome as u8), Some(outcome));
        }
        assert_eq!(Outcome::from_code(9), None);
    }

    #[test]
    fn a_passed_call_with_a_failing_teardown_is_an_error() {
        assert_eq!(
            Outcome::worst(&[Outcome::Passed, Outcome::Error]),
            Some(Outcome::Error)
        );
    }

    #[test]
    fn a_pass_after_reruns_is_a_pass() {
        let attempts = [Outcome::Rerun, Outcome::Rerun, Outcome::Passed];
        assert_eq!(Outcome::worst(&attempts), Some(Outcome::Passed));
    }
}
