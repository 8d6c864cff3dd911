//! What a suite wrote down by itself: each finished test, with the time it finished.

use std::path::Path;

use rustix::time::{ClockId, clock_gettime};

/// A test that finished.
#[derive(Debug, Clone)]
pub(crate) struct Finished {
    /// pytest's id of the test.
    pub(crate) nodeid: String,
    /// When, in seconds of the clock that all processes share.
    pub(crate) at_s: f64,
}

/// Reads the file that a suite's conftest writes. A line that was cut is left out.
pub(crate) fn read(path: &Path) -> Vec<Finished> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let whole = text
        .split_inclusive('\n')
        .filter_map(|line| line.strip_suffix('\n'));
    whole
        .filter_map(|line| {
            let (at_s, nodeid) = line.split_once(' ')?;
            Some(Finished {
                nodeid: nodeid.to_owned(),
                at_s: at_s.parse().ok()?,
            })
        })
        .collect()
}

/// The shared clock, in seconds.
pub(crate) fn now_s() -> f64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}
