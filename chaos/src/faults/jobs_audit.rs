//! What the master tells of the jobs, compared with what was acknowledged and what the tests wrote down.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;
use shared::job::{Attempt, Job, JobState};

use crate::ledger::Row;

/// Most jobs on a page.
const PAGE: usize = 500;

/// The words of one line of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    word: String,
    job: String,
}

/// Every job of the master, and the runs of their last attempts.
#[derive(Debug)]
pub(super) struct Found {
    jobs: Vec<Job>,
    runs: BTreeMap<i64, Value>,
}

impl Found {
    /// Reads them through `ask`, which answers with the JSON of a path.
    pub(super) fn read(ask: &mut dyn FnMut(&str) -> Result<Value>, row: &mut Row) -> Result<Self> {
        let listed = ask(&format!("/jobs?limit={PAGE}"))?;
        let listed = listed.as_array().context("no list of jobs")?;
        if listed.len() >= PAGE {
            row.wrong("there are more jobs than one page has");
        }
        let mut found = Self {
            jobs: Vec::new(),
            runs: BTreeMap::new(),
        };
        for job in listed {
            let id = job["id"].as_i64().context("a job without an id")?;
            let job: Job = serde_json::from_value(ask(&format!("/jobs/{id}"))?)?;
            if let (JobState::Passed, Some(run_id)) = (job.state, &job.run_id) {
                found.runs.insert(id, ask(&format!("/results/{run_id}"))?);
            }
            found.jobs.push(job);
        }
        found.jobs.sort_by_key(|job| job.id);
        Ok(found)
    }

    /// How many attempts there were.
    pub(super) fn runs(&self) -> u64 {
        self.jobs.iter().map(|job| job.attempts.len() as u64).sum()
    }

    /// Everything that has to hold.
    pub(super) fn check(
        &self,
        acknowledged: &BTreeMap<i64, String>,
        history: &Path,
        row: &mut Row,
    ) -> Result<()> {
        let history = std::fs::read_to_string(history).context("no test ran")?;
        let history: Vec<_> = history.lines().filter_map(line).collect();
        row.acknowledged += acknowledged.len() as u64;
        for (id, name) in acknowledged {
            match self.jobs.iter().find(|job| job.id == *id) {
                Some(job) if job.username == *name => row.found += 1,
                _ => row.lost += 1,
            }
        }
        for job in &self.jobs {
            for wrong in one(job, self.runs.get(&job.id), &history) {
                row.wrong(format!("job {}: {wrong}", job.id));
            }
        }
        for line in history.iter().filter(|line| line.word == "overlap") {
            row.doubled += 1;
            row.wrong(format!("{} ran while another one did", line.job));
        }
        for wrong in self.overlaps().into_iter().chain(self.disorder()) {
            row.wrong(wrong);
        }
        let again = self.jobs.iter().filter(|job| job.attempts.len() > 1);
        row.note(format!(
            "{} jobs, {} of them begun more than once, {} attempts, {} of them lost",
            self.jobs.len(),
            again.count(),
            self.runs(),
            self.attempts()
                .filter(|attempt| attempt.ending.as_deref() == Some("lost"))
                .count()
        ));
        Ok(())
    }

    fn attempts(&self) -> impl Iterator<Item = &Attempt> {
        self.jobs.iter().flat_map(|job| &job.attempts)
    }

    /// No attempt may have begun before the one before it was over.
    fn overlaps(&self) -> Vec<String> {
        let mut attempts: Vec<_> = self.attempts().collect();
        attempts.sort_by_key(|attempt| attempt.leased_at);
        let pairs = attempts.windows(2);
        pairs
            .filter(|pair| pair[0].ended_at.is_none_or(|end| end > pair[1].leased_at))
            .map(|pair| format!("{} and {} overlap", pair[0].run_id, pair[1].run_id))
            .collect()
    }

    /// Whoever came first had his first attempt first.
    fn disorder(&self) -> Vec<String> {
        let first = |job: &Job| job.attempts.first().map(|attempt| attempt.leased_at);
        let pairs = self.jobs.windows(2);
        pairs
            .filter(|pair| first(&pair[0]) >= first(&pair[1]))
            .map(|pair| format!("job {} was begun before job {}", pair[1].id, pair[0].id))
            .collect()
    }
}

/// What is wrong with one job.
fn one(job: &Job, run: Option<&Value>, history: &[Line]) -> Vec<String> {
    let mut wrongs = Vec::new();
    if job.state != JobState::Passed {
        wrongs.push(format!("is {} ({:?})", job.state.as_str(), job.error));
    }
    let count = |word: &str| {
        let lines = history.iter();
        lines
            .filter(|line| line.word == word && line.job == job.username)
            .count()
    };
    let (begun, done) = (count("in"), count("out"));
    if done == 0 {
        wrongs.push("its tests never came to their end".to_owned());
    }
    if begun > job.attempts.len() {
        wrongs.push(format!(
            "its tests ran {begun} times in {} attempts",
            job.attempts.len()
        ));
    }
    for (index, attempt) in job.attempts.iter().enumerate() {
        let is_last = index + 1 == job.attempts.len();
        let ending = attempt.ending.as_deref().unwrap_or("nothing");
        let is_right = if is_last {
            ending == "passed"
        } else {
            matches!(ending, "lost" | "released")
        };
        if !is_right || attempt.number as usize != index + 1 {
            wrongs.push(format!("attempt {} ended with {ending}", attempt.number));
        }
    }
    let states: Vec<_> = job.transitions.iter().map(|step| step.state).collect();
    let mut wanted = Vec::new();
    for _ in &job.attempts {
        wanted.extend([JobState::Queued, JobState::Running]);
    }
    wanted.push(job.state);
    if states != wanted {
        wrongs.push(format!("went through {states:?}"));
    }
    let is_whole = run.is_some_and(|run| run["complete"] == true && run["passed"] == 1);
    if job.state == JobState::Passed && !is_whole {
        wrongs.push(format!("its run is {run:?}"));
    }
    wrongs
}

fn line(text: &str) -> Option<Line> {
    let mut words = text.split(' ');
    Some(Line {
        word: words.next()?.to_owned(),
        job: words.next()?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job(id: i64, attempts: &[(&str, u32, u32)]) -> Job {
        let time = |second: u32| format!("2026-11-21T10:00:{second:02}Z");
        let attempts: Vec<_> = attempts
            .iter()
            .zip(1..)
            .map(|((ending, from, to), number)| {
                json!({
                    "number": number, "agent": "a", "run_id": format!("{id}-{number}"),
                    "leased_at": time(*from), "ended_at": time(*to), "ending": ending,
                    "exit_code": null, "steps": [],
                })
            })
            .collect();
        let mut transitions = Vec::new();
        for _ in &attempts {
            for state in ["queued", "running"] {
                transitions.push(json!({"state": state, "at": time(0), "attempt": 0, "why": ""}));
            }
        }
        transitions.push(json!({"state": "passed", "at": time(0), "attempt": 0, "why": ""}));
        serde_json::from_value(json!({
            "id": id, "uuid": "", "kind": "job", "username": format!("job-{id}"), "project": "",
            "source": {"type": "library", "files": []}, "tests": [], "args": [], "env": {},
            "labels": {}, "environment": "1", "timeout_s": 1, "attempts_max": 3, "wait_max_s": 1,
            "priority": 0, "state": "passed", "error": null, "waits_for": null,
            "cancel_requested": false, "created_at": time(0), "started_at": null,
            "finished_at": null, "attempt": attempts.len(), "agent": null, "run_id": null,
            "exit_code": null, "log_bytes": 0, "rerun_of": null,
            "transitions": transitions, "attempts": attempts,
        }))
        .unwrap()
    }

    fn history(words: &[(&str, i64)]) -> Vec<Line> {
        words
            .iter()
            .map(|(word, job)| Line {
                word: (*word).to_owned(),
                job: format!("job-{job}"),
            })
            .collect()
    }

    #[test]
    fn a_job_that_ran_twice_and_says_so_is_well() {
        let job = job(1, &[("lost", 0, 3), ("passed", 4, 5)]);
        let run = json!({"complete": true, "passed": 1});
        let history = history(&[("in", 1), ("in", 1), ("out", 1)]);
        assert_eq!(one(&job, Some(&run), &history), Vec::<String>::new());
    }

    #[test]
    fn a_job_that_ran_more_often_than_it_says_is_not() {
        let job = job(1, &[("passed", 4, 5)]);
        let run = json!({"complete": true, "passed": 1});
        let history = history(&[("in", 1), ("in", 1), ("out", 1)]);
        assert_eq!(one(&job, Some(&run), &history).len(), 1);
        assert_eq!(one(&job, None, &history).len(), 2);
    }

    #[test]
    fn overlaps_and_wrong_order_are_seen() {
        let found = |jobs| Found {
            jobs,
            runs: BTreeMap::new(),
        };
        let well = found(vec![
            job(1, &[("lost", 0, 3), ("passed", 4, 5)]),
            job(2, &[("passed", 5, 6)]),
        ]);
        assert!(well.overlaps().is_empty() && well.disorder().is_empty());
        let overlapping = found(vec![
            job(1, &[("passed", 0, 3)]),
            job(2, &[("passed", 2, 6)]),
        ]);
        assert_eq!(overlapping.overlaps().len(), 1);
        let disordered = found(vec![
            job(1, &[("passed", 4, 5)]),
            job(2, &[("passed", 2, 3)]),
        ]);
        assert_eq!(disordered.disorder().len(), 1);
    }
}
