//! Reads everything back over HTTP and compares it with the book.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use shared::answer::{FailureStat, WorkerSummary};
use shared::case::Case;
use shared::outcome::Outcome;
use shared::run::{Run, RunSummary};
use shared::status::RunStatus;
use xtask::http::Connection;

use crate::book::{Entry, Expected};
use crate::ledger::Row;

/// Longest wait for an answer while nothing is broken.
const ANSWER_TIME_MAX: Duration = Duration::from_mins(1);

/// A reader of one master.
pub(crate) struct Audit {
    connection: Connection,
}

/// What a run has to be by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Other things still happen: a run may be under way, and nothing is counted yet.
    UnderWay,
    /// Nothing happens any more, but clients were stopped in the middle: a run may be under way.
    Stopped,
    /// Everybody has finished and flushed: a run is whole, or `lost` where its client gave up.
    AtTheEnd,
}

/// What one run was found to be.
#[derive(Debug, Default)]
struct Finding {
    found: u64,
    lost: u64,
    doubled: u64,
    wrongs: Vec<String>,
}

impl Audit {
    /// Connects to a master.
    pub(crate) fn of(url: &str) -> Result<Self> {
        let connection = Connection::open_within(url, ANSWER_TIME_MAX)?;
        Ok(Self { connection })
    }

    /// Looks for every run of the book that was acknowledged in any part; what it finds replaces
    /// what stood in the row when it is the last look, and is added up only then.
    pub(crate) fn runs(
        &mut self,
        book: &BTreeMap<String, Entry>,
        stage: Stage,
        row: &mut Row,
    ) -> Result<()> {
        for (run_id, entry) in book {
            let promised = u64::from(entry.opened) + entry.acknowledged as u64;
            let finding = self
                .one(run_id, entry, stage)
                .with_context(|| format!("cannot read run {run_id} back"))?;
            for wrong in finding.wrongs {
                row.wrong(wrong);
            }
            if stage == Stage::UnderWay {
                // The last look counts what was found; a loss is a loss whenever it is seen.
                if finding.lost + finding.doubled > 0 {
                    row.wrong(format!(
                        "{run_id}: {} lost, {} doubled while others went on",
                        finding.lost, finding.doubled
                    ));
                }
                continue;
            }
            row.runs += 1;
            row.acknowledged += promised;
            row.found += finding.found;
            row.lost += finding.lost;
            row.doubled += finding.doubled;
        }
        Ok(())
    }

    fn one(&mut self, run_id: &str, entry: &Entry, stage: Stage) -> Result<Finding> {
        let mut finding = Finding::default();
        let Some(run) = self.run(run_id)? else {
            if entry.opened {
                finding.lost = 1 + entry.acknowledged as u64;
                let wrong = format!(
                    "{run_id}: acknowledged ({} cases, whole: {}) and not there",
                    entry.acknowledged, entry.saved
                );
                finding.wrongs.push(wrong);
            }
            return Ok(finding);
        };
        finding.found = u64::from(entry.opened);
        if (&run.worker_id, &run.project) != (&entry.worker_id, &entry.project) {
            let wrong = format!("{run_id}: of {} in {}", run.worker_id, run.project);
            finding.wrongs.push(wrong);
        }
        let open = matches!(run.status, RunStatus::Running | RunStatus::Lost);
        if entry.saved && open {
            let wrong = format!("{run_id}: acknowledged whole and {}", run.status.as_str());
            finding.wrongs.push(wrong);
        }
        if entry.saved && !open && !run.complete {
            let wrong = format!("{run_id}: acknowledged whole and not complete");
            finding.wrongs.push(wrong);
        }
        if stage == Stage::AtTheEnd && run.status == RunStatus::Running {
            finding.wrongs.push(format!("{run_id}: still running"));
        }
        let cases = self.cases(run_id)?;
        // It may have ended between the two answers.
        let open = open || self.run(run_id)?.is_none_or(|now| now.status != run.status);
        compare(run_id, entry, run.status, &cases, open, &mut finding);
        Ok(finding)
    }

    /// One run, `None` when there is none.
    pub(crate) fn run(&mut self, run_id: &str) -> Result<Option<Run>> {
        let answer = self.connection.get(&format!("/results/{run_id}"))?;
        match answer.status {
            200 => Ok(Some(serde_json::from_slice(&answer.body)?)),
            404 => Ok(None),
            status => bail!("{status} {}", String::from_utf8_lossy(&answer.body).trim()),
        }
    }

    /// Every case of a run, page by page.
    pub(crate) fn cases(&mut self, run_id: &str) -> Result<Vec<Case>> {
        self.pages(&format!("/results/{run_id}/cases?limit=1000"))
    }

    /// Every run, last arrived first.
    pub(crate) fn list(&mut self) -> Result<Vec<RunSummary>> {
        self.pages("/results?limit=500")
    }

    fn pages<T: serde::de::DeserializeOwned>(&mut self, path: &str) -> Result<Vec<T>> {
        let mut items = Vec::new();
        let mut next = Some(path.to_owned());
        while let Some(path) = next {
            let answer = self.connection.get(&path)?;
            if answer.status != 200 {
                let text = String::from_utf8_lossy(&answer.body).into_owned();
                bail!("GET {path} answered {}: {text}", answer.status);
            }
            let page: Vec<T> = serde_json::from_slice(&answer.body)?;
            items.extend(page);
            next = answer.next;
        }
        Ok(items)
    }

    fn json(&mut self, path: &str) -> Result<Value> {
        let answer = self.connection.get(path)?;
        if answer.status != 200 {
            bail!("GET {path} answered {}", answer.status);
        }
        Ok(serde_json::from_slice(&answer.body)?)
    }

    /// The list against the book, and every counter against the list.
    pub(crate) fn lists_and_counters(
        &mut self,
        book: &BTreeMap<String, Entry>,
        row: &mut Row,
    ) -> Result<()> {
        let runs = self.list()?;
        let mut seen = BTreeSet::new();
        let mut by_worker = BTreeMap::<&str, u64>::new();
        for run in &runs {
            if !seen.insert(&run.run_id) {
                row.doubled += 1;
                row.wrong(format!("{} is in the list twice", run.run_id));
            }
            if !book.contains_key(&run.run_id) {
                row.wrong(format!("{} was never sent", run.run_id));
            }
            *by_worker.entry(&run.worker_id).or_default() += 1;
        }
        let ids: Vec<_> = runs.iter().map(|run| run.id).collect();
        if !ids.is_sorted_by(|a, b| a > b) {
            row.wrong("the list is not in the order of arrival");
        }
        let workers: Vec<WorkerSummary> = serde_json::from_value(self.json("/workers")?)?;
        for worker in workers {
            let listed = by_worker.get(&*worker.worker_id).copied().unwrap_or(0);
            if worker.run_count != listed {
                row.doubled += worker.run_count.saturating_sub(listed);
                row.wrong(format!(
                    "/workers counts {} runs of {}, the list has {listed}",
                    worker.run_count, worker.worker_id
                ));
            }
        }
        self.failure_counts(&runs, row)
    }

    /// `/failures/stats` against the bad cases that the runs really have.
    fn failure_counts(&mut self, runs: &[RunSummary], row: &mut Row) -> Result<()> {
        let mut real = BTreeMap::<(String, String), u64>::new();
        for run in runs {
            for nodeid in self.bad_tests(&run.run_id)? {
                *real.entry((run.project.clone(), nodeid)).or_default() += 1;
            }
        }
        let projects: BTreeSet<_> = runs.iter().map(|run| run.project.clone()).collect();
        for project in projects {
            let path = format!("/failures/stats?project={project}&limit=500");
            let counted: Vec<FailureStat> = serde_json::from_value(self.json(&path)?)?;
            for stat in counted {
                let key = (project.clone(), stat.nodeid);
                let here = real.get(&key).copied().unwrap_or(0);
                if here != stat.fail_count {
                    row.doubled += stat.fail_count.saturating_sub(here);
                    row.wrong(format!(
                        "/failures/stats counts {} for {} of {project}, its runs have {here}",
                        stat.fail_count, key.1
                    ));
                }
            }
        }
        Ok(())
    }

    fn bad_tests(&mut self, run_id: &str) -> Result<BTreeSet<String>> {
        let failures = self.run(run_id)?.map(|run| run.failures);
        let bad = failures.into_iter().flatten();
        Ok(bad.map(|failure| failure.nodeid).collect())
    }
}

fn compare(
    run_id: &str,
    entry: &Entry,
    status: RunStatus,
    cases: &[Case],
    open: bool,
    finding: &mut Finding,
) {
    let mut stored = BTreeMap::new();
    for case in cases {
        if stored.insert(&*case.nodeid, case).is_some() {
            finding.doubled += 1;
            let wrong = format!("{run_id}: {} is there twice", case.nodeid);
            finding.wrongs.push(wrong);
        }
    }
    for (index, expected) in entry.intended.iter().enumerate() {
        let promised = index < entry.acknowledged;
        match stored.remove(&*expected.nodeid) {
            Some(case) if is_right(case, expected) => finding.found += u64::from(promised),
            // Of a run that is not whole, a test may have been running.
            Some(case) if open && !promised && case.outcome == Outcome::Crashed => {}
            Some(case) => {
                finding.lost += u64::from(promised);
                finding.wrongs.push(format!(
                    "{run_id}: {} is {} ({:?}), not {}",
                    case.nodeid,
                    case.outcome.as_str(),
                    case.message.as_deref().unwrap_or_default(),
                    expected.outcome.as_str()
                ));
            }
            None if promised => {
                finding.lost += 1;
                finding.wrongs.push(format!(
                    "{run_id} ({}): {} was acknowledged and is not there",
                    status.as_str(),
                    expected.nodeid
                ));
            }
            None if open => {}
            None => finding.wrongs.push(format!(
                "{run_id} ({}): half-written, {} is missing",
                status.as_str(),
                expected.nodeid
            )),
        }
    }
    for nodeid in stored.keys() {
        let wrong = format!("{run_id}: {nodeid} was never sent");
        finding.wrongs.push(wrong);
    }
}

fn is_right(case: &Case, expected: &Expected) -> bool {
    let says = case.message.as_deref().unwrap_or_default();
    case.outcome == expected.outcome
        && expected
            .token
            .as_deref()
            .is_none_or(|token| says.contains(token))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(acknowledged: usize) -> Entry {
        let test = |nodeid: &str| Expected {
            nodeid: nodeid.into(),
            outcome: Outcome::Passed,
            token: None,
        };
        Entry {
            intended: vec![test("a"), test("b")],
            opened: true,
            acknowledged,
            ..Entry::default()
        }
    }

    fn case(nodeid: &str, outcome: &str) -> Case {
        serde_json::from_value(json!({
            "nodeid": nodeid, "outcome": outcome, "outcomes": [outcome], "duration": null,
            "setup": null, "call": null, "teardown": null, "attempts": 1, "executions": 1,
            "started_at": null, "file": null, "line": null, "markers": [], "xdist_worker": null,
            "memory_peak_kib": null, "message": null, "subtests_passed": 0, "subtests_failed": 0,
            "subtests_skipped": 0,
        }))
        .unwrap()
    }

    fn found(entry: &Entry, cases: &[Case], open: bool) -> (u64, u64, u64, usize) {
        let mut finding = Finding::default();
        compare("run", entry, RunStatus::Running, cases, open, &mut finding);
        let Finding {
            found,
            lost,
            doubled,
            wrongs,
        } = finding;
        (found, lost, doubled, wrongs.len())
    }

    #[test]
    fn what_was_acknowledged_is_found() {
        let both = [case("a", "passed"), case("b", "passed")];
        assert_eq!(found(&entry(2), &both, false), (2, 0, 0, 0));
        // The second was under way.
        assert_eq!(found(&entry(1), &both, true), (1, 0, 0, 0));
        assert_eq!(found(&entry(1), &both[..1], true), (1, 0, 0, 0));
    }

    #[test]
    fn what_is_missing_wrong_or_there_twice_is_seen() {
        assert_eq!(found(&entry(2), &[case("a", "passed")], true), (1, 1, 0, 1));
        let other = [case("a", "passed"), case("b", "failed")];
        assert_eq!(found(&entry(2), &other, true), (1, 1, 0, 1));
        let twice = [case("a", "passed"), case("a", "passed")];
        assert_eq!(found(&entry(1), &twice, true), (1, 0, 1, 1));
        let strange = [
            case("a", "passed"),
            case("b", "passed"),
            case("c", "passed"),
        ];
        assert_eq!(found(&entry(2), &strange, false), (2, 0, 0, 1));
    }

    #[test]
    fn a_run_that_is_neither_whole_nor_open_is_half_written() {
        assert_eq!(
            found(&entry(1), &[case("a", "passed")], false),
            (1, 0, 0, 1)
        );
        let crashed = [case("a", "passed"), case("b", "crashed")];
        assert_eq!(found(&entry(1), &crashed, true), (1, 0, 0, 0));
        assert_eq!(found(&entry(1), &crashed, false), (1, 0, 0, 1));
    }
}
