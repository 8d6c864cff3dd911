//! Whether pytest's own terminal counted the same as the events.

use std::collections::BTreeMap;

use super::summary::Summary;

/// Names the first counts that differ, or nothing.
///
/// Subtests widen what is accepted: depending on version and verbosity the terminal counts them in
/// the same categories or not at all.
pub(super) fn with_terminal(stats: &BTreeMap<String, u64>, counts: &Summary) -> Option<String> {
    if stats.is_empty() {
        return None;
    }
    let differences: Vec<String> = [
        ("passed", counts.passed, counts.subtests_passed),
        ("failed", counts.failed, counts.subtests_failed),
        ("error", counts.error, 0),
        ("skipped", counts.skipped, counts.subtests_skipped),
        ("xfailed", counts.xfailed, counts.subtests_skipped),
        ("xpassed", counts.xpassed, 0),
        ("rerun", counts.rerun, 0),
    ]
    .into_iter()
    .filter_map(|(category, ours, subtests)| {
        let theirs = stats.get(category).copied().unwrap_or(0);
        let agree = (ours..=ours.saturating_add(subtests)).contains(&theirs);
        (!agree).then(|| format!("{category}: pytest counted {theirs}, its reports say {ours}"))
    })
    .collect();
    (!differences.is_empty()).then(|| differences.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(failed: u64) -> BTreeMap<String, u64> {
        BTreeMap::from([("passed".to_owned(), 2), ("failed".to_owned(), failed)])
    }

    #[test]
    fn failed_subtests_may_be_in_the_terminals_failed_or_not() {
        let counts = Summary {
            passed: 2,
            failed: 1,
            subtests_failed: 2,
            ..Summary::default()
        };
        assert_eq!(with_terminal(&stats(3), &counts), None);
        assert_eq!(with_terminal(&stats(1), &counts), None);
        let words = with_terminal(&stats(4), &counts).unwrap();
        assert_eq!(words, "failed: pytest counted 4, its reports say 1");
    }

    #[test]
    fn a_session_without_a_terminal_contradicts_nothing() {
        let counts = Summary {
            failed: 1,
            ..Summary::default()
        };
        assert_eq!(with_terminal(&BTreeMap::new(), &counts), None);
    }
}
