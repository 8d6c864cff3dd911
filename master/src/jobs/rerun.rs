//! Queueing a job once more.

use std::collections::BTreeSet;

use shared::job::{Job, JobState, NewJob, Rerun};
use shared::limits;
use shared::outcome::Outcome;

use super::queue::Queued;
use super::{Jobs, JobsError, wire};
use crate::queries::cases::{self, CasesFilter};
use crate::queries::runs;
use crate::store::jobs;

/// Outcomes of tests that are run again.
const BAD: [Outcome; 4] = [
    Outcome::Error,
    Outcome::Failed,
    Outcome::Timeout,
    Outcome::Crashed,
];

/// Cases that are read at a time.
const CASES_AT_ONCE: u32 = limits::CASES_LIMIT_MAX;

impl Jobs {
    /// Queues a job once more: all of it, or only what did not pass in the run of its last attempt. With
    /// the UUID of a job that was made so already, it is that one.
    pub async fn rerun(&self, id: i64, rerun: Rerun, by: &str) -> Result<Queued, JobsError> {
        let row = jobs::by_id(&self.store, id).await?;
        let row = row.filter(|row| row.forgotten == 0);
        let row = row.ok_or_else(|| JobsError::NotFound(id.to_string()))?;
        let job = wire::job(row)?;
        let kind = job.kind;
        let mut new = once_more(job.clone());
        if !by.is_empty() {
            by.clone_into(&mut new.username);
        }
        new.uuid = rerun.uuid;
        if rerun.failed_only {
            new.tests = self.bad_tests(&job).await?;
        }
        self.queue(new, kind, Some(id)).await
    }

    /// The tests of a job that did not pass, or did not run at all.
    async fn bad_tests(&self, job: &Job) -> Result<Vec<String>, JobsError> {
        let wrong = |reason: String| Err(JobsError::WrongState(reason));
        if !job.state.is_over() {
            let state = job.state.as_str();
            return wrong(format!("job {} is still {state}", job.id));
        }
        let run = match &job.run_id {
            Some(run_id) => runs::get(&self.store, run_id).await?,
            None => None,
        };
        let Some(run) = run else {
            return wrong(format!(
                "job {} has no run that says what failed; repeat all of it",
                job.id
            ));
        };
        let mut tests: BTreeSet<String> = BTreeSet::new();
        if !run.complete {
            if run.not_run_count > run.not_run.len() as u64 {
                return wrong(format!(
                    "{} tests of run {} never ran, more than are known by name; repeat the whole job",
                    run.not_run_count, run.run_id
                ));
            }
            tests.extend(run.not_run);
            tests.extend(run.running);
        }
        for outcome in BAD {
            self.add_bad(&run.run_id, outcome, &mut tests).await?;
            if tests.len() > limits::JOB_TESTS_MAX {
                return wrong(format!(
                    "more than {} tests of run {} did not pass; repeat the whole job",
                    limits::JOB_TESTS_MAX,
                    run.run_id
                ));
            }
        }
        if tests.is_empty() {
            let said = match job.state {
                JobState::Passed => "every test passed",
                _ => "no test is known that did not pass; repeat all of it",
            };
            return wrong(format!("in run {} {said}", run.run_id));
        }
        Ok(tests.into_iter().collect())
    }

    async fn add_bad(
        &self,
        run_id: &str,
        outcome: Outcome,
        tests: &mut BTreeSet<String>,
    ) -> Result<(), JobsError> {
        let mut filter = CasesFilter {
            outcome: Some(outcome),
            limit: CASES_AT_ONCE,
            ..CasesFilter::default()
        };
        while tests.len() <= limits::JOB_TESTS_MAX {
            let Some(page) = cases::list(&self.store, run_id, &filter).await? else {
                break;
            };
            tests.extend(page.cases.into_iter().map(|case| case.nodeid));
            filter.after = page.next;
            if page.next.is_none() {
                break;
            }
        }
        Ok(())
    }
}

/// The request that a job was made of, but for its UUID.
pub(super) fn once_more(job: Job) -> NewJob {
    NewJob {
        uuid: None,
        username: job.username,
        project: job.project,
        source: job.source,
        tests: job.tests,
        args: job.args,
        env: job.env,
        labels: job.labels,
        environment: job.environment,
        timeout_s: job.timeout_s,
        attempts_max: job.attempts_max,
        wait_max_s: job.wait_max_s,
        priority: job.priority,
    }
}
