//! What failed in a run, for a model: every test named first, then as much detail as fits.

use std::collections::{BTreeMap, HashMap};

use schemars::JsonSchema;
use serde::Serialize;
use shared::case::{Case, CaseFailure};
use shared::run::{Problem, Run};

use super::budget::{Truncated, json_bytes, keep_front};
use super::{figures, traceback};
use crate::untrusted;

/// Message lengths to try, from telling to bare: naming every test matters more than long words.
const MESSAGE_BYTES: [usize; 5] = [1_000, 500, 250, 120, 0];

/// A failing test.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Failure {
    /// The test.
    pub nodeid: String,
    /// failed, error, timeout or crashed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Where in own code, as `file:line`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// What it said.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The failing statement and the error's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<String>,
    /// Seconds.
    pub duration: f64,
}

/// Failures that say the same but for numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Group {
    /// How many.
    pub count: u64,
    /// What they say.
    pub message: String,
    /// One of them.
    pub example: String,
}

/// Something about a run that is not one test's result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Note {
    /// What sort.
    pub kind: String,
    /// A test, a file, or empty.
    #[serde(rename = "where", skip_serializing_if = "String::is_empty")]
    pub place: String,
    /// In words.
    pub text: String,
}

impl Note {
    /// A problem in short.
    pub fn from_problem(problem: &Problem, text_bytes_max: usize) -> Self {
        let kind = serde_json::to_value(problem.kind).unwrap_or_default();
        Self {
            kind: kind.as_str().unwrap_or_default().to_owned(),
            place: untrusted::short_id(&problem.place, 200),
            text: untrusted::block(&problem.text, text_bytes_max),
        }
    }
}

/// Failing tests of a run, with what is known in full about some of them.
pub fn list(run: &Run, details: &BTreeMap<String, Case>) -> Vec<Failure> {
    let row = |failure: &shared::run::RunFailure| {
        let case = details.get(&failure.nodeid);
        let worst = case.and_then(worst_failure);
        let full = worst.map(|worst| untrusted::text(&worst.traceback).into_owned());
        Failure {
            nodeid: untrusted::model_id(&failure.nodeid),
            outcome: case.map(|case| case.outcome.to_string()),
            at: full.as_deref().and_then(traceback::own_place),
            message: untrusted::block(&failure.message, MESSAGE_BYTES[0]),
            excerpt: full
                .map(|full| traceback::excerpt(&full, 600))
                .filter(|excerpt| !excerpt.is_empty()),
            duration: figures::round_seconds(failure.duration),
        }
    };
    run.failures.iter().map(row).collect()
}

/// The failure of a case that says why it failed: the last that is not an attempt before a rerun.
pub fn worst_failure(case: &Case) -> Option<&CaseFailure> {
    let failures = case.failures.as_deref()?;
    failures
        .iter()
        .rev()
        .find(|failure| failure.outcome == Some(case.outcome))
        .or_else(|| failures.last())
}

/// Shortens messages, then drops tests from the end, until the list fits. Answers what to say
/// about it.
pub fn fit(failures: &mut Vec<Failure>, bytes_max: usize, how: &str) -> Option<Truncated> {
    for bytes in MESSAGE_BYTES {
        for failure in failures.iter_mut() {
            failure.message = untrusted::block(&failure.message, bytes);
            if bytes < MESSAGE_BYTES[1] {
                failure.excerpt = None;
            }
        }
        if json_bytes(failures) <= bytes_max {
            return None;
        }
    }
    let left_out = keep_front(failures, bytes_max);
    Truncated::note("failures", left_out, how)
}

/// The most common messages among many failures, those said at least twice.
pub fn groups(run: &Run, groups_max: usize) -> Vec<Group> {
    let mut by_shape: HashMap<String, (u64, String, String)> = HashMap::new();
    for failure in &run.failures {
        let message = untrusted::line(&failure.message, 160);
        if message.is_empty() {
            continue;
        }
        let entry = by_shape.entry(shape(&message)).or_insert_with(|| {
            let example = untrusted::short_id(&failure.nodeid, 200);
            (0, message, example)
        });
        entry.0 += 1;
    }
    let mut groups: Vec<Group> = by_shape
        .into_values()
        .filter(|(count, ..)| *count > 1)
        .map(|(count, message, example)| Group {
            count,
            message,
            example,
        })
        .collect();
    groups.sort_by(|a, b| {
        b.count
            .cmp(&a.count)
            .then_with(|| a.message.cmp(&b.message))
    });
    groups.truncate(groups_max);
    groups
}

/// A message without its numbers and addresses.
fn shape(message: &str) -> String {
    let mut shape = String::with_capacity(message.len());
    for word in message.split_inclusive(|c: char| !c.is_alphanumeric()) {
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            shape.push('#');
            shape.extend(word.chars().last().filter(|c| !c.is_alphanumeric()));
        } else {
            shape.push_str(word);
        }
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::run_line::sample;

    #[test]
    fn five_hundred_failures_fit_and_the_rest_is_counted() {
        let run = sample::run(0, 500);
        let mut failures = list(&run, &BTreeMap::new());
        let note = fit(&mut failures, 6_000, "how").unwrap();
        assert!(json_bytes(&failures) <= 6_000);
        assert_eq!(failures.len() as u64 + note.left_out, 500);
        assert!(failures.len() > 60, "only {} are named", failures.len());
    }

    #[test]
    fn few_failures_keep_their_words() {
        let run = sample::run(0, 3);
        let mut failures = list(&run, &BTreeMap::new());
        assert_eq!(fit(&mut failures, 6_000, "how"), None);
        assert_eq!(failures[2].message, "AssertionError: assert 2 == -1");
    }

    #[test]
    fn failures_that_differ_only_in_numbers_are_one_group() {
        let groups = groups(&sample::run(0, 40), 3);
        assert_eq!(groups.len(), 1);
        assert_eq!(groups[0].count, 40);
        assert_eq!(groups[0].message, "AssertionError: assert 0 == -1");
    }
}
