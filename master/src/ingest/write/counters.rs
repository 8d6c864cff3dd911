//! What is asked often, counted in the transaction of the runs that it counts.

use std::collections::BTreeMap;

use super::New;
use crate::store::dictionary::ALL_PROJECTS;
use crate::store::engine::Transacting;
use crate::store::streams::StreamRow;
use crate::store::workers::WorkerRow;
use crate::store::{StoreError, failure_counts, failures, projects, workers};

/// What one transaction adds to the counters. Sorted, so that two masters that count at the same
/// time wait for one another instead of blocking one another.
#[derive(Debug, Default)]
pub(super) struct Counted {
    /// By test and scope.
    tests: BTreeMap<(i64, i64), i64>,
    projects: BTreeMap<String, i64>,
    workers: BTreeMap<String, WorkerRow>,
}

impl Counted {
    /// Counts a run.
    pub(super) fn add(&mut self, (_, plan): &New<'_>) {
        for test in &plan.failed {
            self.test(*test, plan.project, 1);
        }
        for test in &plan.failed_anywhere {
            self.test(*test, ALL_PROJECTS, 1);
        }
        let row = &plan.row;
        self.run(&row.project, &row.worker_id, 1, row.pass_rate);
        let worker = self.workers.get_mut(&row.worker_id);
        if let Some(worker) = worker {
            worker.last_seen_us = worker.last_seen_us.max(row.received_us);
        }
    }

    /// Takes back what was counted for a run that was lost and is heard of again. When its worker
    /// was last seen stays: that was the moment it was heard last.
    pub(super) async fn take_back(
        &mut self,
        transaction: &mut Transacting,
        lost: &StreamRow,
    ) -> Result<(), StoreError> {
        for (test, project, anywhere) in failures::counted(transaction, lost.run).await? {
            self.test(test, project, -1);
            self.test(anywhere, ALL_PROJECTS, -1);
        }
        self.run(&lost.project, &lost.worker_id, -1, -lost.pass_rate);
        Ok(())
    }

    fn test(&mut self, test: i64, scope: i64, times: i64) {
        *self.tests.entry((test, scope)).or_default() += times;
    }

    fn run(&mut self, project: &str, worker_id: &str, runs: i64, pass_rate: f64) {
        *self.projects.entry(project.to_owned()).or_default() += runs;
        let worker = self
            .workers
            .entry(worker_id.to_owned())
            .or_insert_with(|| WorkerRow {
                worker_id: worker_id.to_owned(),
                run_count: 0,
                pass_rate_sum: 0.0,
                last_seen_us: 0,
            });
        worker.run_count += runs;
        worker.pass_rate_sum += pass_rate;
    }

    /// Adds everything to the counters. Done last, because other masters wait for them until this
    /// transaction ends.
    pub(super) async fn write(self, transaction: &mut Transacting) -> Result<(), StoreError> {
        let tests: Vec<_> = self
            .tests
            .into_iter()
            .filter(|(_, count)| *count != 0)
            .map(|((test, scope), count)| (test, scope, count))
            .collect();
        failure_counts::add(transaction, &tests).await?;
        let projects: Vec<_> = self.projects.into_iter().collect();
        projects::count_runs(transaction, &projects).await?;
        workers::add(transaction, &self.workers.into_values().collect::<Vec<_>>()).await
    }
}
