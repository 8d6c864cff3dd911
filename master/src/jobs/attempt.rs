//! What an agent says about its attempt at a job, and what becomes of the job.

use chrono::Utc;
use shared::job::{Job, JobErrorKind, JobState, Step};
use shared::lease::{AttemptEnding, FinishAttempt, Heartbeat, Lease};
use shared::{limits, validate};

use super::again::again;
use super::queue::changed;
use super::wire::{self, SECOND_US, told};
use super::{Jobs, JobsError, lease};
use crate::store::attempts::{self, AttemptEnd, AttemptRow};
use crate::store::engine::Transacting;
use crate::store::jobs::{self, JobRow};
use crate::store::steps::{self, StepRow};
use crate::store::transitions::{self, TransitionRow};
use crate::store::{agents, changes};

/// What becomes of a job when an attempt ends.
#[derive(Debug)]
pub(super) struct Fate {
    pub(super) state: JobState,
    /// Replaces what is said in the job's `error`.
    pub(super) error: Option<(JobErrorKind, String)>,
    /// For its history.
    pub(super) why: String,
}

impl Jobs {
    /// The job of a task, for those who know nothing but its number. The task may be over. What an agent
    /// has is no task: its numbers can be guessed, and its result is its own to tell.
    pub async fn job_of_task(&self, attempt: i64) -> Result<i64, JobsError> {
        let unknown = || JobsError::NoAttempt(attempt);
        let row = attempts::by_id(&self.store, attempt).await?;
        let row = row.ok_or_else(unknown)?;
        let job = jobs::by_id(&self.store, row.job).await?;
        let job = job.ok_or_else(unknown)?;
        // Only a task has a lease that follows from the timeout of its job.
        if row.lease_ms == lease::in_ms(lease::of_task(job.timeout_s)) {
            Ok(job.id)
        } else {
            Err(unknown())
        }
    }

    /// What was handed out with an attempt, as long as it is not over.
    pub async fn attempt(&self, job: i64, attempt: i64) -> Result<Lease, JobsError> {
        let row = attempts::by_id(&self.store, attempt).await?;
        let going_on = row.filter(|row| row.job == job && row.ended_us.is_none());
        let row = jobs::by_id(&self.store, job).await?.zip(going_on);
        let (job, attempt) = row.ok_or(JobsError::LeaseLost)?;
        Ok(wire::lease(&job, &attempt)?)
    }

    /// The agent lives and has the job.
    pub async fn heartbeat(&self, job: i64, attempt: i64) -> Result<Heartbeat, JobsError> {
        again!(&self.store, self.hear(job, attempt))
    }

    async fn hear(&self, job: i64, attempt: i64) -> Result<Heartbeat, JobsError> {
        let mut transaction = self.store.pools().begin().await?;
        let heard = attempts::hear(&mut transaction, job, attempt).await?;
        let heard = heard.ok_or(JobsError::LeaseLost)?;
        // An agent whose places are all taken asks for nothing, and is there all the same.
        let is_due = self.presence.is_due(&heard.agent);
        if is_due {
            let now_us = Utc::now().timestamp_micros();
            agents::see(&mut transaction, &heard.agent, now_us).await?;
        }
        changes::commit(&self.store, transaction, &[]).await?;
        if is_due {
            self.presence.saw(&heard.agent);
        }
        Ok(Heartbeat {
            cancel: heard.cancel_requested != 0,
            lease_s: wire::lease_s(heard.lease_ms),
        })
    }

    /// Keeps how far a step of an attempt is.
    pub async fn step(&self, job: i64, attempt: i64, step: Step) -> Result<(), JobsError> {
        validate::job::step(&step)?;
        let row = StepRow {
            attempt,
            position: step.name as i64,
            started_us: step.started_at.timestamp_micros(),
            finished_us: step.finished_at.map(|at| at.timestamp_micros()),
            text: told(&step.text),
        };
        again!(&self.store, self.put_step(job, &row))
    }

    async fn put_step(&self, job: i64, step: &StepRow) -> Result<(), JobsError> {
        let mut transaction = self.store.pools().begin().await?;
        if !attempts::lock(&mut transaction, job, step.attempt).await? {
            return Err(JobsError::LeaseLost);
        }
        steps::put(&mut transaction, step).await?;
        Ok(changes::commit(&self.store, transaction, &[]).await?)
    }

    /// Ends an attempt. The same may be said again.
    pub async fn finish(
        &self,
        job: i64,
        attempt: i64,
        finish: FinishAttempt,
    ) -> Result<Job, JobsError> {
        validate::job::finish(&finish)?;
        let error = finish.error.as_deref().map(told);
        let end = AttemptEnd {
            ending: finish.ending.as_str(),
            error_kind: finish.error_kind.map(JobErrorKind::as_str),
            error: error.as_deref(),
            exit_code: finish.exit_code.map(i64::from),
        };
        again!(&self.store, self.end(job, attempt, finish.ending, &end))
    }

    async fn end(
        &self,
        job: i64,
        attempt: i64,
        ending: AttemptEnding,
        end: &AttemptEnd<'_>,
    ) -> Result<Job, JobsError> {
        let mut transaction = self.store.pools().begin().await?;
        let job = jobs::lock(&mut transaction, job).await?;
        let attempt = attempts::get(&mut transaction, attempt).await?;
        let (Some(mut job), Some(attempt)) = (job, attempt) else {
            return Err(JobsError::LeaseLost);
        };
        if attempt.job != job.id {
            return Err(JobsError::LeaseLost);
        }
        if let Some(before) = attempt.end() {
            // Its first answer may not have arrived.
            if before != *end {
                return Err(JobsError::LeaseLost);
            }
            return Ok(wire::job(job)?);
        }
        let fate = fate(ending, end, &job);
        if ending == AttemptEnding::Released && !are_releases_used_up(&job) {
            job.attempts_counted -= 1;
        }
        settle(&mut transaction, &mut job, &attempt, end, fate).await?;
        changes::commit(&self.store, transaction, &[changed(job.id)]).await?;
        Ok(wire::job(job)?)
    }
}

/// What becomes of a job whose agent says how it ended.
fn fate(ending: AttemptEnding, end: &AttemptEnd<'_>, job: &JobRow) -> Fate {
    let said = end.error.unwrap_or_default().to_owned();
    let simple = |state| Fate {
        state,
        error: None,
        why: said.clone(),
    };
    match ending {
        AttemptEnding::Passed => simple(JobState::Passed),
        AttemptEnding::Failed => simple(JobState::Failed),
        AttemptEnding::TimedOut => simple(JobState::TimedOut),
        AttemptEnding::Cancelled => simple(JobState::Cancelled),
        AttemptEnding::Error => {
            let kind = end.error_kind.and_then(JobErrorKind::parse);
            Fate {
                error: Some((kind.unwrap_or(JobErrorKind::Subprocess), said.clone())),
                ..simple(JobState::Error)
            }
        }
        AttemptEnding::Released if job.cancel_requested != 0 => simple(JobState::Cancelled),
        AttemptEnding::Released => released(job, said),
    }
}

/// Whether a job was given back as often as that is free: each attempt that does not count was.
fn are_releases_used_up(job: &JobRow) -> bool {
    job.attempt_number - job.attempts_counted >= i64::from(limits::JOB_RELEASES_MAX)
}

/// What becomes of a job that its agent gives back: an agent that does so again and again, or that is gone
/// whenever it is handed the job, does not keep it going round for ever.
fn released(job: &JobRow, said: String) -> Fate {
    let mut why = match said.as_str() {
        "" => "the agent gave it back".to_owned(),
        _ => said,
    };
    let (mut state, mut error) = (JobState::Queued, None);
    if are_releases_used_up(job) {
        let most = limits::JOB_RELEASES_MAX;
        why =
            format!("{why}; it was given back more than {most} times, which counts as an attempt");
        if job.attempts_counted >= job.attempts_max {
            let most = job.attempts_max;
            why = format!("{why}; it may be begun {most} times at most");
            state = JobState::Error;
            error = Some((JobErrorKind::Lost, why.clone()));
        }
    }
    Fate { state, error, why }
}

/// Ends an attempt of a job that is locked, frees what it held, and writes what becomes of the job.
pub(super) async fn settle(
    transaction: &mut Transacting,
    job: &mut JobRow,
    attempt: &AttemptRow,
    end: &AttemptEnd<'_>,
    fate: Fate,
) -> Result<(), JobsError> {
    let now_us = Utc::now().timestamp_micros();
    if !attempts::end(transaction, attempt.id, now_us, end).await? {
        return Err(JobsError::LeaseLost);
    }
    job.exit_code = end.exit_code;
    move_to(transaction, job, fate, now_us).await
}

/// Brings a job that is locked into another state.
pub(super) async fn move_to(
    transaction: &mut Transacting,
    job: &mut JobRow,
    fate: Fate,
    now_us: i64,
) -> Result<(), JobsError> {
    job.slot = None;
    fate.state.as_str().clone_into(&mut job.state);
    if fate.state == JobState::Queued {
        job.queued_us = now_us;
        job.give_up_us = Some(now_us + job.wait_max_s * SECOND_US);
    } else {
        job.give_up_us = None;
        job.finished_us = Some(now_us);
    }
    let (kind, text) = fate.error.unzip();
    job.error_kind = kind.map(|kind| kind.as_str().to_owned());
    job.error = text;
    jobs::update(transaction, job).await?;
    let transition = TransitionRow {
        state: job.state.clone(),
        at_us: now_us,
        attempt: job.attempt_number,
        why: fate.why,
    };
    Ok(transitions::insert(transaction, job.id, &transition).await?)
}
