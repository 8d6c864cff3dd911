//! The lists of a report: frequent failures, workers, slowest tests, problems, what did not run.

use shared::case::Case;
use shared::run::Run;

use super::detail::Detail;
use super::failures::split;
use crate::gather::ReportData;
use crate::untrusted;
use crate::views::failures::Note;
use crate::views::{figures, moment};

/// A test with a number and a bar as long as the number is large.
#[derive(Debug)]
pub(super) struct Bar {
    pub(super) file: String,
    pub(super) name: String,
    pub(super) figure: String,
    /// 0 to 100.
    pub(super) share: u32,
    /// Whether it is about a failure of this very run.
    pub(super) now: bool,
}

/// A worker.
#[derive(Debug)]
pub(super) struct WorkerRow {
    pub(super) name: String,
    pub(super) runs: String,
    pub(super) rate: String,
    pub(super) seen: String,
    pub(super) current: bool,
}

/// A problem, the same ones told once.
#[derive(Debug)]
pub(super) struct ProblemRow {
    pub(super) word: String,
    pub(super) class: &'static str,
    pub(super) place: String,
    pub(super) text: String,
    pub(super) blocks: Vec<crate::views::traceback::Block>,
    /// Whether it is so long that it is folded.
    pub(super) many: bool,
    /// Whether it is shown unfolded: what broke the run is what people came for.
    pub(super) open: bool,
}

/// Nodeids with their full number.
#[derive(Debug, Default)]
pub(super) struct Named {
    pub(super) total: u64,
    pub(super) total_words: String,
    pub(super) ids: Vec<String>,
    pub(super) left_out: String,
}

/// Every list.
#[derive(Debug)]
pub(super) struct Lists {
    pub(super) frequent: Vec<Bar>,
    pub(super) workers: Vec<WorkerRow>,
    pub(super) workers_left_out: String,
    pub(super) slowest: Vec<Bar>,
    pub(super) flaky: Vec<Bar>,
    pub(super) problems: Vec<ProblemRow>,
    pub(super) problems_left_out: String,
    pub(super) running: Named,
    pub(super) not_run: Named,
    pub(super) log_tail: String,
}

/// Arranges everything below the failures.
pub(super) fn lists(data: &ReportData, run: &Run, detail: &Detail) -> Lists {
    let problems = problems(run, detail);
    let problems_left = run.problems.len().saturating_sub(problems.len());
    let not_run = named(&run.not_run, run.not_run_count, detail);
    let workers_left = data.workers.len().saturating_sub(detail.rows);
    Lists {
        frequent: frequent(data, run, detail),
        workers: workers(data, run, detail),
        workers_left_out: left_out(workers_left, "more worker", "more workers"),
        slowest: slowest(data, detail),
        flaky: flaky(data, detail),
        problems_left_out: left_out(problems_left, "more problem", "more problems"),
        running: named(&run.running, run.running_count, detail),
        log_tail: if run.complete && run.failures.is_empty() {
            String::new()
        } else {
            tail(&run.log_tail, detail.log_bytes)
        },
        problems,
        not_run,
    }
}

fn left_out(number: usize, one: &str, many: &str) -> String {
    match number {
        0 => String::new(),
        some => format!("{} not shown.", figures::of(some as u64, one, many)),
    }
}

fn frequent(data: &ReportData, run: &Run, detail: &Detail) -> Vec<Bar> {
    let most = data.stats.first().map_or(1, |row| row.fail_count).max(1);
    let failing: std::collections::HashSet<&str> = run
        .failures
        .iter()
        .map(|failure| failure.nodeid.as_str())
        .collect();
    data.stats
        .iter()
        .take(detail.rows)
        .map(|row| {
            let (file, name) = split(&row.nodeid, detail.nodeid_bytes);
            Bar {
                file,
                name,
                figure: figures::of(row.fail_count, "run", "runs"),
                share: (row.fail_count * 100 / most).max(1) as u32,
                now: failing.contains(row.nodeid.as_str()),
            }
        })
        .collect()
}

fn workers(data: &ReportData, run: &Run, detail: &Detail) -> Vec<WorkerRow> {
    data.workers
        .iter()
        .take(detail.rows)
        .map(|row| WorkerRow {
            name: untrusted::short_id(&row.worker_id, 120),
            runs: figures::count(row.run_count),
            rate: figures::percent(row.avg_pass_rate),
            seen: moment::ago(row.last_seen, data.made_at),
            current: row.worker_id == run.worker_id,
        })
        .collect()
}

fn slowest(data: &ReportData, detail: &Detail) -> Vec<Bar> {
    let seconds = |case: &Case| case.duration.unwrap_or(0.0);
    let most = data.slowest.cases.first().map_or(0.0, seconds);
    data.slowest
        .cases
        .iter()
        .filter(|case| seconds(case) > 0.0)
        .take(detail.rows)
        .map(|case| {
            let (file, name) = split(&case.nodeid, detail.nodeid_bytes);
            Bar {
                file,
                name,
                figure: moment::duration(seconds(case)),
                share: ((seconds(case) / most * 100.0).round() as u32).clamp(1, 100),
                now: false,
            }
        })
        .collect()
}

fn flaky(data: &ReportData, detail: &Detail) -> Vec<Bar> {
    data.slowest
        .flaky
        .iter()
        .take(detail.rows)
        .map(|case| {
            let (file, name) = split(&case.nodeid, detail.nodeid_bytes);
            Bar {
                file,
                name,
                figure: figures::of(case.outcomes.len() as u64, "attempt", "attempts"),
                share: 0,
                now: false,
            }
        })
        .collect()
}

fn problems(run: &Run, detail: &Detail) -> Vec<ProblemRow> {
    let mut sorted: Vec<_> = run.problems.iter().collect();
    sorted.sort_by_key(|problem| weight(problem.kind));
    sorted
        .into_iter()
        .take(detail.problems)
        .enumerate()
        .map(|(position, problem)| {
            let note = Note::from_problem(problem, detail.problem_bytes);
            ProblemRow {
                word: note.kind.replace('_', " "),
                class: match weight(problem.kind) {
                    0 => "bad",
                    1 => "gap",
                    _ => "idle",
                },
                place: note.place,
                blocks: crate::views::traceback::blocks(&note.text),
                open: position < 3 && weight(problem.kind) == 0,
                many: note.text.lines().count() > 3 || note.text.len() > 400,
                text: note.text,
            }
        })
        .collect()
}

/// What broke the run comes before what was only remarked.
fn weight(kind: shared::run::ProblemKind) -> u8 {
    use shared::run::ProblemKind as Kind;
    match kind {
        Kind::CollectionError | Kind::InternalError | Kind::UsageError | Kind::Crash => 0,
        Kind::Contradiction | Kind::Truncated | Kind::Late => 1,
        Kind::CollectionSkip | Kind::Warning => 2,
    }
}

fn named(ids: &[String], count: u64, detail: &Detail) -> Named {
    let total = count.max(ids.len() as u64);
    let shown: Vec<String> = ids
        .iter()
        .take(detail.not_run)
        .map(|id| untrusted::short_id(id, detail.nodeid_bytes))
        .collect();
    Named {
        total,
        total_words: figures::of(total, "test", "tests"),
        left_out: left_out(total as usize - shown.len(), "more", "more"),
        ids: shown,
    }
}

/// The end of a log, from a line's beginning.
fn tail(log: &str, bytes_max: usize) -> String {
    let clean = untrusted::text(log);
    let clean = clean.trim();
    if clean.len() <= bytes_max {
        return clean.to_owned();
    }
    let from = clean.ceil_char_boundary(clean.len() - bytes_max);
    let rest = &clean[from..];
    rest.split_once('\n')
        .map_or(rest, |(_, whole)| whole)
        .to_owned()
}
