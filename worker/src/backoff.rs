//! How long to wait before something is tried again.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// Wait before the second attempt; it doubles with each further one.
const FIRST: Duration = Duration::from_millis(100);

/// Longest wait between attempts.
const LONGEST: Duration = Duration::from_secs(2);

/// The wait after this attempt, counted from 0: between half and all of a time that doubles, so
/// that many workers whom one master failed do not come back together.
pub fn backoff(attempt: u32) -> Duration {
    let longest = FIRST
        .saturating_mul(2u32.saturating_pow(attempt))
        .min(LONGEST);
    longest.mul_f64(spread())
}

/// A random part of a wait: from half of it to all.
pub fn spread() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    0.5 + 0.5 * (random as f64 / u64::MAX as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_to_its_limit_and_differs_each_time() {
        assert!(backoff(0) >= FIRST / 2 && backoff(0) <= FIRST);
        assert!(backoff(99) <= LONGEST && backoff(99) >= LONGEST / 2);
        assert_ne!(backoff(3), backoff(3));
    }
}
