//! Which jobs are there, and what is known of one?

use shared::job::{Job, JobKind, JobState, Source};
use shared::limits;

use super::{Jobs, JobsError, JobsFilter, wire};
use crate::store::job_lists::{self, JobConditions};
use crate::store::jobs::{self, JobRow};
use crate::store::{Store, StoreError, attempts, steps, transitions};

/// Longest name of a job that can be right.
const NAME_BYTES_MAX: usize = 36;

/// Rows of a list that are in memory at a time.
const ROWS_AT_ONCE: usize = 64;

impl Jobs {
    /// One job with everything about it. `name` is its id or its UUID; `project` is the only one that is
    /// seen.
    pub async fn get(&self, name: &str, project: Option<&str>) -> Result<Job, JobsError> {
        let row = self.find(name).await?;
        let row = row.filter(|row| {
            row.forgotten == 0 && project.is_none_or(|project| project == row.project)
        });
        let row = row.ok_or_else(|| JobsError::NotFound(shown(name)))?;
        let waits_for = match wire::state(&row.state)? {
            JobState::Queued => Some(self.waits_for(&row, project).await?),
            _ => None,
        };
        let id = row.id;
        let mut job = wire::job(row)?;
        job.waits_for = waits_for;
        let transitions = transitions::of_job(&self.store, id).await?;
        job.transitions = all(transitions, wire::transition)?;
        let steps = steps::of_job(&self.store, id).await?;
        let attempts = attempts::of_job(&self.store, id).await?;
        job.attempts = all(attempts, |row| wire::attempt(row, &steps))?;
        Ok(job)
    }

    async fn find(&self, name: &str) -> Result<Option<JobRow>, StoreError> {
        if name.len() > NAME_BYTES_MAX {
            return Ok(None);
        }
        if let Ok(id) = name.parse() {
            return jobs::by_id(&self.store, id).await;
        }
        match uuid::Uuid::parse_str(name) {
            Ok(uuid) => jobs::by_uuid(&self.store, &uuid.to_string()).await,
            Err(_) => Ok(None),
        }
    }

    /// Lists jobs, newest first, as many as fit into [`limits::JOB_LIST_BYTES_MAX`]; also answers whether
    /// there are more. A short question is not to fill the memory, and a job may be large.
    pub async fn some(&self, filter: &JobsFilter) -> Result<(Vec<Job>, bool), JobsError> {
        let mut jobs: Vec<Job> = Vec::new();
        let mut bytes = 0;
        let mut filter = filter.clone();
        let mut left = filter.limit as usize;
        loop {
            // One more than are wanted says whether there are more.
            let wanted = ROWS_AT_ONCE.min(left + 1);
            filter.limit = wanted as u32;
            let rows = self.rows(&filter).await?;
            let are_all = rows.len() < wanted;
            for row in rows {
                if left == 0 || bytes > limits::JOB_LIST_BYTES_MAX {
                    return Ok((jobs, true));
                }
                let job = wire::job(row)?;
                bytes += weight(&job);
                filter.before = Some(job.id);
                jobs.push(job);
                left -= 1;
            }
            if are_all {
                return Ok((jobs, false));
            }
        }
    }

    async fn rows(&self, filter: &JobsFilter) -> Result<Vec<JobRow>, StoreError> {
        let mut conditions = conditions(filter);
        conditions.number("id <", filter.before);
        job_lists::newest(&self.store, &conditions, filter.limit, 0).await
    }

    /// Lists jobs, newest first.
    pub async fn list(&self, filter: &JobsFilter) -> Result<Vec<Job>, JobsError> {
        Ok(all(self.rows(filter).await?, wire::job)?)
    }

    /// Counts jobs; `before` and `limit` of the filter mean nothing here.
    pub async fn count(&self, filter: &JobsFilter) -> Result<u64, JobsError> {
        Ok(job_lists::count(&self.store, &conditions(filter)).await?)
    }

    /// One page of a list, newest first, pages counted from 1, and how many jobs there are on all of them.
    pub async fn page(
        &self,
        filter: &JobsFilter,
        page: u64,
        per_page: u32,
    ) -> Result<(Vec<Job>, u64), JobsError> {
        let conditions = conditions(filter);
        let count = job_lists::count(&self.store, &conditions).await?;
        let offset = page.saturating_sub(1).saturating_mul(u64::from(per_page));
        let rows = job_lists::newest(&self.store, &conditions, per_page, offset).await?;
        Ok((all(rows, wire::job)?, count))
    }
}

/// Jobs by the master's own numbers, as lists show them, in no order; those that nobody sees are missing.
pub(crate) async fn by_ids(store: &Store, ids: &[i64]) -> Result<Vec<Job>, StoreError> {
    let rows = jobs::by_ids(store, ids).await?;
    let seen = rows.into_iter().filter(|row| row.forgotten == 0);
    seen.map(wire::job).collect()
}

fn conditions(filter: &JobsFilter) -> JobConditions {
    let mut conditions = JobConditions::default();
    conditions.text("project =", filter.project.as_deref());
    conditions.text("state =", filter.state.map(JobState::as_str));
    conditions.text("username =", filter.username.as_deref());
    conditions.text("environment =", filter.environment.as_deref());
    conditions.text("kind =", filter.kind.map(JobKind::as_str));
    conditions.text("agent =", filter.agent.as_deref());
    conditions.number("rerun_of =", filter.rerun_of);
    conditions
}

fn all<R, T>(
    rows: Vec<R>,
    read: impl FnMut(R) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    rows.into_iter().map(read).collect()
}

/// Bytes of the texts of a job that can be many or long, roughly.
fn weight(job: &Job) -> usize {
    let texts = job.tests.iter().chain(&job.args);
    let texts = texts.chain(job.env.iter().flat_map(|(name, value)| [name, value]));
    let files = match &job.source {
        Source::Library(source) => source.files.as_slice(),
        Source::Git(_) | Source::Archive(_) => &[],
    };
    // The quotes and the comma around each.
    texts.chain(files).map(|text| text.len() + 3).sum()
}

/// A name as an error repeats it.
fn shown(name: &str) -> String {
    let end = name.floor_char_boundary(NAME_BYTES_MAX);
    name[..end].escape_debug().to_string()
}
