//! Ending and deleting jobs.

use chrono::Utc;
use shared::job::{Job, JobKind, JobState};

use super::again::again;
use super::attempt::{Fate, move_to};
use super::queue::{changed, deleted};
use super::{Jobs, JobsError, wire};
use crate::store::changes::{self, Change};
use crate::store::engine::Transacting;
use crate::store::jobs::{self, DeletedJobRow, JobRow};

impl Jobs {
    /// Asks for the end of a job: one that waits is cancelled at once, the agent of one that runs hears of
    /// it with its next heartbeat.
    pub async fn cancel(&self, id: i64, by: &str) -> Result<Job, JobsError> {
        again!(&self.store, self.cancel_once(id, by))
    }

    async fn cancel_once(&self, id: i64, by: &str) -> Result<Job, JobsError> {
        let mut transaction = self.store.pools().begin().await?;
        let mut job = locked(&mut transaction, id).await?;
        let state = wire::state(&job.state)?;
        if state.is_over() {
            return Err(JobsError::WrongState(format!(
                "job {id} is over already: {}",
                state.as_str()
            )));
        }
        end(&mut transaction, &mut job, state, by).await?;
        changes::commit(&self.store, transaction, &[changed(id)]).await?;
        Ok(wire::job(job)?)
    }

    /// Deletes a job that is over, with its log and its history. Its runs stay.
    pub async fn delete(&self, id: i64) -> Result<(), JobsError> {
        again!(&self.store, self.delete_once(id))
    }

    async fn delete_once(&self, id: i64) -> Result<(), JobsError> {
        let mut transaction = self.store.pools().begin().await?;
        let job = locked(&mut transaction, id).await?;
        let state = wire::state(&job.state)?;
        if !state.is_over() {
            return Err(JobsError::WrongState(format!(
                "job {id} is {}; cancel it first",
                state.as_str()
            )));
        }
        let told: Vec<Change> = jobs::delete(&mut transaction, id)
            .await?
            .iter()
            .map(deleted)
            .collect();
        Ok(changes::commit(&self.store, transaction, &told).await?)
    }

    /// Deletes a job whatever its state: it is cancelled if need be, and is not seen any more from now on.
    pub async fn forget(&self, id: i64) -> Result<(), JobsError> {
        again!(&self.store, self.forget_once(id))
    }

    async fn forget_once(&self, id: i64) -> Result<(), JobsError> {
        let mut transaction = self.store.pools().begin().await?;
        let mut job = locked(&mut transaction, id).await?;
        let state = wire::state(&job.state)?;
        let gone = DeletedJobRow {
            id,
            project: job.project.clone(),
        };
        if state == JobState::Running {
            job.forgotten = 1;
            end(&mut transaction, &mut job, state, "").await?;
        } else {
            jobs::delete(&mut transaction, id).await?;
        }
        // Others may be next now.
        let told = [changed(id), deleted(&gone)];
        Ok(changes::commit(&self.store, transaction, &told).await?)
    }

    /// Deletes the jobs of a kind that are over, and answers how many.
    pub async fn delete_over(&self, kind: JobKind) -> Result<u64, JobsError> {
        let mut deleted = 0;
        loop {
            match again!(&self.store, self.delete_some(kind))? {
                0 => return Ok(deleted),
                some => deleted += some,
            }
        }
    }

    async fn delete_some(&self, kind: JobKind) -> Result<u64, JobsError> {
        let mut transaction = self.store.pools().begin().await?;
        let gone = jobs::delete_over(&mut transaction, kind.as_str()).await?;
        let told: Vec<Change> = gone.iter().map(deleted).collect();
        changes::commit(&self.store, transaction, &told).await?;
        Ok(gone.len() as u64)
    }
}

/// Locks a job that can be seen.
async fn locked(transaction: &mut Transacting, id: i64) -> Result<JobRow, JobsError> {
    let job = jobs::lock(transaction, id).await?;
    job.filter(|job| job.forgotten == 0)
        .ok_or_else(|| JobsError::NotFound(id.to_string()))
}

/// Cancels a job that waits; asks for the end of one that runs.
async fn end(
    transaction: &mut Transacting,
    job: &mut JobRow,
    state: JobState,
    by: &str,
) -> Result<(), JobsError> {
    job.cancel_requested = 1;
    if state == JobState::Running {
        return Ok(jobs::update(transaction, job).await?);
    }
    let fate = Fate {
        state: JobState::Cancelled,
        error: None,
        why: match by {
            "" => String::new(),
            by => format!("cancelled by {by}"),
        },
    };
    move_to(transaction, job, fate, Utc::now().timestamp_micros()).await
}
