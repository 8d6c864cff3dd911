//! Which call fails in which round: every failure with every number, in an order that covers the
//! whole range early.

use xtask::random::Random;

use super::shim::Failure;

/// One round: a failure, and the number of the call where it begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    /// Index of the failure.
    pub(crate) failure: usize,
    /// From 1.
    pub(crate) nth: u64,
}

/// All rounds there are for these failures, each of which sees so many calls: the failures in turns,
/// the calls of each in random order, every one of them once.
pub(crate) fn rounds(seen: &[u64], random: &mut Random) -> Vec<Case> {
    let mut per_failure: Vec<Vec<Case>> = seen
        .iter()
        .enumerate()
        .map(|(failure, &calls)| {
            let mut cases: Vec<_> = (1..=calls).map(|nth| Case { failure, nth }).collect();
            shuffle(&mut cases, random);
            cases
        })
        .collect();
    let mut all = Vec::new();
    while per_failure.iter().any(|cases| !cases.is_empty()) {
        all.extend(per_failure.iter_mut().filter_map(Vec::pop));
    }
    all
}

/// How far the rounds came, in words: `write EIO once: 12 of 40 calls`.
pub(crate) fn said(failures: &[Failure], seen: &[u64], tried: &[u64]) -> String {
    let parts = failures.iter().zip(seen).zip(tried);
    let parts: Vec<_> = parts
        .map(|((failure, seen), tried)| format!("{} {tried}/{seen}", failure.name))
        .collect();
    format!("calls that failed, of all there are: {}", parts.join(", "))
}

fn shuffle<T>(items: &mut [T], random: &mut Random) {
    for last in (1..items.len()).rev() {
        items.swap(last, random.below(last as u64 + 1) as usize);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_call_of_every_failure_has_its_round_once() {
        let cases = rounds(&[5, 0, 2], &mut Random::new(1));
        let all: BTreeSet<_> = cases.iter().map(|case| (case.failure, case.nth)).collect();
        let each = [(0, 1), (0, 2), (0, 3), (0, 4), (0, 5), (2, 1), (2, 2)];
        assert_eq!(all, BTreeSet::from(each));
        assert_eq!(cases.len(), all.len());
        assert_ne!(cases[0].failure, cases[1].failure);
    }
}
