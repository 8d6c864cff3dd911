//! Runs that go on, in words.

use shared::run::RunSummary;
use shared::stream::Live;

use super::figures::{count, of};
use super::moment;
use crate::untrusted;

/// One sentence about runs that go on, the newest first; nothing when there are none.
pub fn sentence(runs: &[RunSummary]) -> Option<String> {
    let newest = runs.first()?;
    let mut sentence = format!(
        "A newer run is going on: {} on worker {}, {} so far",
        untrusted::short_id(&newest.run_id, 200),
        untrusted::short_id(&newest.worker_id, 120),
        of(newest.total, "test", "tests"),
    );
    let bad = newest.failed + newest.error;
    if bad > 0 {
        sentence = format!("{sentence}, {} of them bad", count(bad));
    }
    if let Some(end) = newest.live.as_ref().and_then(expected_end) {
        sentence = format!("{sentence}, {end}");
    }
    match runs.len() {
        1 => Some(sentence),
        more => Some(format!("{sentence}; and {} more", count(more as u64 - 1))),
    }
}

/// `expected to end at 12:03:10 UTC`.
pub fn expected_end(live: &Live) -> Option<String> {
    let end = live.expected_finish_at?;
    Some(format!("expected to end at {}", moment::time(end)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::run_line::sample;

    #[test]
    fn the_newest_run_is_told_with_its_counts_and_the_others_by_number() {
        let run: RunSummary = sample::summary(118, 2);
        let running = RunSummary {
            live: Some(Live {
                heard_at: run.received_at,
                expected_finish_at: shared::time::parse("2026-11-21T12:03:10Z"),
            }),
            ..run
        };
        let sentence = sentence(&[running.clone(), running]).unwrap();
        assert_eq!(
            sentence,
            "A newer run is going on: 0190-run on worker laptop, 120 tests so far, 2 of them bad, \
             expected to end at 12:03:10 UTC; and 1 more"
        );
    }
}
