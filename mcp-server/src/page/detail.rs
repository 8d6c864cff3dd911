//! How much of everything a report shows, from generous to bare.

use crate::limits::REPORT_BYTES_MAX;

/// Sizes of the parts of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Detail {
    /// Failures shown with their traceback.
    pub(super) cards: usize,
    /// Bytes of one traceback.
    pub(super) traceback_bytes: usize,
    /// Bytes of one captured output.
    pub(super) captured_bytes: usize,
    /// Further failures shown on a line each.
    pub(super) failure_lines: usize,
    /// Characters of a message on a line.
    pub(super) message_chars: usize,
    /// Bytes of a nodeid.
    pub(super) nodeid_bytes: usize,
    /// Runs in the trend.
    pub(super) trend_runs: usize,
    /// Rows of every table.
    pub(super) rows: usize,
    /// Problems shown.
    pub(super) problems: usize,
    /// Bytes of one problem.
    pub(super) problem_bytes: usize,
    /// Nodeids listed as not run.
    pub(super) not_run: usize,
    /// Bytes of the end of pytest's output.
    pub(super) log_bytes: usize,
}

impl Detail {
    /// Details to try one after the other for a page of at most `bytes_max`.
    pub(super) fn from_large_to_small(bytes_max: usize) -> impl Iterator<Item = Self> {
        let first = (bytes_max as f64 / REPORT_BYTES_MAX as f64).clamp(1.0, 16.0);
        std::iter::successors(Some(first), |scale| Some(scale * 0.75))
            .take_while(|scale| *scale > 0.01)
            .map(Self::at)
    }

    fn at(scale: f64) -> Self {
        let part = |usual: f64, least: usize, most: usize| {
            ((usual * scale).round() as usize).clamp(least, most)
        };
        Self {
            cards: part(12.0, 2, 60),
            traceback_bytes: part(8_000.0, 400, 24_000),
            captured_bytes: part(2_000.0, 0, 8_000),
            failure_lines: part(150.0, 5, 1_000),
            message_chars: part(160.0, 40, 300),
            nodeid_bytes: part(400.0, 100, 1_000),
            trend_runs: part(60.0, 8, 30),
            rows: part(12.0, 3, 15),
            problems: part(20.0, 2, 50),
            problem_bytes: part(2_000.0, 150, 4_000),
            not_run: part(60.0, 4, 500),
            log_bytes: part(6_000.0, 0, 24_000),
        }
    }
}
