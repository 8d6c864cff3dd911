//! The failures of a report: the first with their tracebacks, the rest on a line each.

use shared::case::{Case, CaseFailure};
use shared::run::{Run, RunFailure};

use super::detail::Detail;
use super::facts::shell_word;
use crate::gather::ReportData;
use crate::untrusted;
use crate::views::failures::{Group, groups};
use crate::views::traceback::{self, Block};
use crate::views::{figures, moment};

/// More failures than this are also told in groups.
const GROUPS_FROM: usize = 6;
/// Cards that are open at once: the first failures are what people came for.
const CARDS_OPEN: usize = 3;
const RERUN_BYTES_MAX: usize = 2_000;

/// All failures of a run, as far as they are shown.
#[derive(Debug, Default)]
pub(super) struct Section {
    pub(super) total: u64,
    pub(super) total_words: String,
    pub(super) groups: Vec<Group>,
    pub(super) cards: Vec<Card>,
    pub(super) lines: Vec<Line>,
    /// What is not shown, in words, empty when all is.
    pub(super) left_out: String,
    pub(super) cut: bool,
}

/// One failure with everything known about it.
#[derive(Debug)]
pub(super) struct Card {
    pub(super) open: bool,
    pub(super) word: String,
    pub(super) class: &'static str,
    pub(super) file: String,
    pub(super) name: String,
    pub(super) line: String,
    pub(super) duration: String,
    pub(super) place: String,
    pub(super) remark: String,
    pub(super) rerun: String,
    pub(super) parts: Vec<Part>,
}

/// One thing that went wrong in a test.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) title: String,
    pub(super) blocks: Vec<Block>,
    /// Long ones are folded.
    pub(super) folded: bool,
    pub(super) captured: Vec<Captured>,
}

/// Output that was captured.
#[derive(Debug)]
pub(super) struct Captured {
    pub(super) title: &'static str,
    pub(super) text: String,
}

/// One failure on one line.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) file: String,
    pub(super) name: String,
    pub(super) message: String,
}

/// Arranges the failures of a run.
pub(super) fn section(data: &ReportData, run: &Run, detail: &Detail) -> Section {
    let mut failing: Vec<&RunFailure> = run.failures.iter().collect();
    // What killed the process comes first.
    failing.sort_by_key(|failure| !run.running.contains(&failure.nodeid));
    let total =
        (failing.len() as u64).max(run.failed + run.error - run.collection_errors.min(run.error));
    let cards: Vec<Card> = failing
        .iter()
        .take(detail.cards)
        .enumerate()
        .map(|(position, failure)| {
            let case = data.details.cases.get(&failure.nodeid);
            Card {
                open: position < CARDS_OPEN,
                ..card(failure, case, detail)
            }
        })
        .collect();
    let lines: Vec<Line> = failing
        .iter()
        .skip(cards.len())
        .take(detail.failure_lines)
        .map(|failure| line(failure, detail))
        .collect();
    let left = total.saturating_sub((cards.len() + lines.len()) as u64);
    Section {
        total,
        total_words: figures::count(total),
        groups: if failing.len() >= GROUPS_FROM {
            groups(run, 5)
        } else {
            Vec::new()
        },
        left_out: match left {
            0 => String::new(),
            some => format!(
                "{} more failed and are not shown here.",
                figures::of(some, "test", "tests")
            ),
        },
        cut: left > 0,
        cards,
        lines,
    }
}

fn card(failure: &RunFailure, case: Option<&Case>, detail: &Detail) -> Card {
    let (file, name) = split(&failure.nodeid, detail.nodeid_bytes);
    let outcome = case.map(|case| case.outcome);
    let parts = match case.and_then(|case| case.failures.as_deref()) {
        Some(failures) if !failures.is_empty() => failures
            .iter()
            .rev()
            .take(4)
            .map(|one| part(one, failures.len() > 1, detail))
            .collect(),
        _ => bare_part(failure, detail),
    };
    let full = case.and_then(crate::views::failures::worst_failure);
    Card {
        open: false,
        word: outcome
            .map_or("failed", shared::outcome::Outcome::as_str)
            .to_owned(),
        class: match outcome {
            Some(shared::outcome::Outcome::Crashed) => "broken",
            Some(shared::outcome::Outcome::Timeout) => "gap",
            _ => "bad",
        },
        file,
        name,
        line: untrusted::line(&failure.message, detail.message_chars * 2),
        duration: moment::duration(
            case.and_then(|case| case.duration)
                .unwrap_or(failure.duration),
        ),
        place: full
            .and_then(|full| traceback::own_place(&untrusted::text(&full.traceback)))
            .map(|place| untrusted::short_id(&place, 200))
            .unwrap_or_default(),
        remark: case.map(remark).unwrap_or_default(),
        rerun: rerun(&failure.nodeid),
        parts,
    }
}

/// Attempts and subtests, when there were any.
fn remark(case: &Case) -> String {
    let mut words = Vec::new();
    if case.attempts > 1 {
        words.push(format!("{} attempts", case.attempts));
    }
    if case.subtests_failed > 0 {
        words.push(figures::of(
            case.subtests_failed.into(),
            "subtest failed",
            "subtests failed",
        ));
    }
    if let Some(worker) = &case.xdist_worker {
        words.push(format!("in process {}", untrusted::short_id(worker, 40)));
    }
    words.join(", ")
}

/// The command that runs this test again; none where the id cannot be typed as it looks.
fn rerun(nodeid: &str) -> String {
    if nodeid.len() > RERUN_BYTES_MAX || untrusted::id(nodeid) != nodeid {
        return String::new();
    }
    format!("pytest {}", shell_word(nodeid))
}

fn part(failure: &CaseFailure, titled: bool, detail: &Detail) -> Part {
    let source = if failure.traceback.is_empty() {
        &failure.message
    } else {
        &failure.traceback
    };
    let text = untrusted::block(source, detail.traceback_bytes);
    let rerun = failure.outcome == Some(shared::outcome::Outcome::Rerun);
    let attempt = if rerun { "before a rerun" } else { "" };
    let context = failure.context.as_deref().unwrap_or_default();
    let words: Vec<&str> = [failure.phase.as_str(), context, attempt]
        .into_iter()
        .filter(|word| !word.is_empty())
        .collect();
    let title = if titled || words != ["call"] {
        untrusted::short_id(&words.join(", "), 160)
    } else {
        String::new()
    };
    let captured = [
        ("Captured output", &failure.stdout),
        ("Captured error output", &failure.stderr),
        ("Captured log", &failure.log),
    ];
    Part {
        title,
        folded: text.lines().count() > 60,
        blocks: traceback::blocks(&text),
        captured: captured
            .into_iter()
            .filter(|(_, text)| !text.trim().is_empty() && detail.captured_bytes > 0)
            .map(|(title, text)| Captured {
                title,
                text: untrusted::block(text, detail.captured_bytes),
            })
            .collect(),
    }
}

/// All that is known is the message.
fn bare_part(failure: &RunFailure, detail: &Detail) -> Vec<Part> {
    let text = untrusted::block(&failure.message, detail.traceback_bytes);
    if text.is_empty() || text == untrusted::line(&failure.message, detail.message_chars * 2) {
        return Vec::new();
    }
    vec![Part {
        title: String::new(),
        folded: text.lines().count() > 60,
        blocks: traceback::blocks(&text),
        captured: Vec::new(),
    }]
}

fn line(failure: &RunFailure, detail: &Detail) -> Line {
    let (file, name) = split(&failure.nodeid, detail.nodeid_bytes);
    Line {
        file,
        name,
        message: untrusted::line(&failure.message, detail.message_chars),
    }
}

/// The file with its `::`, and the test in it.
pub(super) fn split(nodeid: &str, bytes_max: usize) -> (String, String) {
    let id = untrusted::short_id(nodeid, bytes_max);
    match id.split_once("::") {
        Some((file, name)) => (format!("{file}::"), name.to_owned()),
        None => (String::new(), id),
    }
}
