//! The queue, as handlers use it: what is in it, and how a job comes into it.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use shared::job::{Job, JobKind, JobState, NewJob};
use shared::limits;
use shared::validate::{self, Invalid};

use super::again::again;
use super::presence::Presence;
use super::turns::Turns;
use super::{JobsError, wire};
use crate::store::changes::{self, Change, ChangeKind};
use crate::store::jobs::{self, NewJobRow};
use crate::store::transitions::{self, TransitionRow};
use crate::store::{Store, environments, job_queue};

/// All jobs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Jobs {
    pub(super) store: Store,
    pub(super) lease: Duration,
    pub(super) presence: Arc<Presence>,
    pub(super) turns: Turns,
}

impl Jobs {
    /// Jobs in a store; an agent that is silent for the time of a lease loses its job.
    pub fn new(store: Store, lease: Duration) -> Self {
        Self {
            store,
            lease,
            presence: Arc::default(),
            turns: Turns::default(),
        }
    }

    /// Queues a job. What its source names must be pinned already.
    pub async fn create(
        &self,
        mut new: NewJob,
        kind: JobKind,
        rerun_of: Option<i64>,
    ) -> Result<Job, JobsError> {
        validate::job::trim(&mut new);
        validate::job::new_job(&new)?;
        let queued = job_queue::queued(&self.store).await?.cast_unsigned();
        if queued >= limits::JOBS_QUEUED_MAX {
            return Err(JobsError::QueueFull(queued));
        }
        let row = wire::new_row(new, kind, rerun_of, Utc::now())?;
        again!(&self.store, self.insert(&row))
    }

    async fn insert(&self, new: &NewJobRow) -> Result<Job, JobsError> {
        let mut transaction = self.store.pools().begin().await?;
        // Whoever queues a job keeps others from queueing one before it for the same environment that
        // has a greater number.
        if let Some(name) = &new.environment
            && environments::lock(&mut transaction, name).await?.is_none()
        {
            let reason = JobsError::NoEnvironment(name.clone()).to_string();
            return Err(Invalid::new("environment", reason).into());
        }
        let row = jobs::insert(&mut transaction, new).await?;
        let queued = TransitionRow {
            state: JobState::Queued.as_str().to_owned(),
            at_us: row.created_us,
            attempt: 0,
            why: match new.rerun_of {
                Some(other) => format!("job {other} once more"),
                None => String::new(),
            },
        };
        transitions::insert(&mut transaction, row.id, &queued).await?;
        changes::commit(&self.store, transaction, &[changed(row.id)]).await?;
        Ok(wire::job(row)?)
    }
}

/// What is told of a job that came into another state.
pub(super) const fn changed(id: i64) -> Change {
    Change {
        kind: ChangeKind::JobChanged,
        id,
    }
}
