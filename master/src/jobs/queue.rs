//! The queue, as handlers use it: what is in it, and how a job comes into it.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use shared::job::{Job, JobKind, JobState, NewJob, Source};
use shared::limits;
use shared::validate::{self, Invalid};

use super::again::again;
use super::presence::Presence;
use super::rerun::once_more;
use super::turns::Turns;
use super::{JobsError, wire};
use crate::queries::runs;
use crate::store::changes::{self, Change, ChangeKind, ProjectMark};
use crate::store::jobs::{self, DeletedJobRow, NewJobRow};
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

/// What became of a request to queue a job.
#[derive(Debug)]
pub struct Queued {
    /// The job.
    pub job: Job,
    /// Whether this request made it; otherwise an earlier one with the same UUID did.
    pub is_new: bool,
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

    /// Queues a job, or finds the one that the same request made before; see [`Self::queue`].
    pub async fn create(
        &self,
        new: NewJob,
        kind: JobKind,
        rerun_of: Option<i64>,
    ) -> Result<Job, JobsError> {
        Ok(self.queue(new, kind, rerun_of).await?.job)
    }

    /// Queues a job. What its source names must be pinned already. A request with a UUID that came before
    /// changes nothing, whichever master it came to.
    pub async fn queue(
        &self,
        mut new: NewJob,
        kind: JobKind,
        rerun_of: Option<i64>,
    ) -> Result<Queued, JobsError> {
        validate::job::trim(&mut new);
        validate::job::new_job(&new)?;
        if let Some(job) = self.made_before(&new, kind, rerun_of).await? {
            return Ok(Queued { job, is_new: false });
        }
        let queued = job_queue::queued(&self.store).await?.cast_unsigned();
        if queued >= limits::JOBS_QUEUED_MAX {
            return Err(JobsError::QueueFull(queued));
        }
        let row = wire::new_row(new.clone(), kind, rerun_of, Utc::now())?;
        if let Some(job) = again!(&self.store, self.insert(&row))? {
            return Ok(Queued { job, is_new: true });
        }
        // The same request came twice at once.
        let job = self.made_before(&new, kind, rerun_of).await?;
        let job = job.ok_or(JobsError::Busy)?;
        Ok(Queued { job, is_new: false })
    }

    /// The job that the same request made before. The files of the library may be others by now: what is
    /// compared is what was asked for. An error when the UUID belongs to another job.
    pub async fn made_before(
        &self,
        new: &NewJob,
        kind: JobKind,
        rerun_of: Option<i64>,
    ) -> Result<Option<Job>, JobsError> {
        let Some(uuid) = &new.uuid else {
            return Ok(None);
        };
        let Some(row) = jobs::by_uuid(&self.store, uuid).await? else {
            // Its agent could not report a run whose name is taken.
            let first_run = format!("job-{uuid}-1");
            return match runs::project(&self.store, &first_run).await? {
                Some(_) => Err(JobsError::UsedUp(uuid.clone())),
                None => Ok(None),
            };
        };
        let is_seen = row.forgotten == 0;
        let job = wire::job(row)?;
        let is_same = job.kind == kind
            && job.rerun_of == rerun_of
            && asked(once_more(job.clone())) == asked(new.clone());
        if is_seen && is_same {
            Ok(Some(job))
        } else {
            Err(JobsError::Conflict(uuid.clone()))
        }
    }

    async fn insert(&self, new: &NewJobRow) -> Result<Option<Job>, JobsError> {
        let mut transaction = self.store.pools().begin().await?;
        // Whoever queues a job keeps others from queueing one before it for the same environment that
        // has a greater number.
        if let Some(name) = &new.environment
            && environments::lock(&mut transaction, name).await?.is_none()
        {
            let reason = JobsError::NoEnvironment(name.clone()).to_string();
            return Err(Invalid::new("environment", reason).into());
        }
        let Some(row) = jobs::insert(&mut transaction, new).await? else {
            return Ok(None);
        };
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
        Ok(Some(wire::job(row)?))
    }
}

/// What a client asks for, without its name and without what the master found for it.
fn asked(mut new: NewJob) -> NewJob {
    new.uuid = None;
    if let Source::Library(library) = &mut new.source {
        library.snapshot = None;
    }
    new
}

/// What is told of a job that is not there any more.
pub(super) fn deleted(job: &DeletedJobRow) -> Change {
    let project = ProjectMark::of(&job.project);
    Change {
        kind: ChangeKind::JobDeleted { project },
        id: job.id,
    }
}

/// What is told of a job that came into another state.
pub(super) const fn changed(id: i64) -> Change {
    Change {
        kind: ChangeKind::JobChanged,
        id,
    }
}
