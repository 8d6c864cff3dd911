//! Ending what nobody ends: leases of agents that are silent, waits that are too long, jobs that are
//! forgotten.

use std::time::Duration;

use chrono::{DateTime, Utc};
use shared::job::{JobErrorKind, JobState};

use super::again::again;
use super::attempt::{Fate, move_to, settle};
use super::queue::changed;
use super::{Jobs, JobsError};
use crate::store::attempts::{self, AttemptEnd, GoingOnAttemptRow};
use crate::store::jobs::{self, JobRow};
use crate::store::{agents, changes, job_queue};

/// How an attempt ended whose agent went silent.
const LOST: &str = "lost";

/// Time that an agent has beyond the timeout of an attempt, to end it and to report.
pub const OVERDUE_GRACE: Duration = Duration::from_mins(10);

/// Jobs whose wait is ended in one round.
const GIVEN_UP_AT_ONCE: u32 = 200;

/// How long an agent is listed that is not heard any more.
const AGENT_KEPT: Duration = Duration::from_hours(7 * 24);

/// An attempt that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoingOn {
    /// The job.
    pub job: i64,
    /// The attempt.
    pub attempt: i64,
    /// Who has it.
    pub agent: String,
    /// Differs after every sign of life, whatever the clocks say.
    pub pulse: i64,
    /// How long the agent may be silent.
    pub lease: Duration,
    /// How long the attempt may take.
    pub timeout: Duration,
    /// Whether it took too long, so that its agent is not heard any more.
    pub is_overdue: bool,
}

impl Jobs {
    /// Every attempt that goes on.
    pub async fn going_on(&self) -> Result<Vec<GoingOn>, JobsError> {
        let rows = attempts::all_going_on(&self.store).await?;
        Ok(rows.into_iter().map(going_on).collect())
    }

    /// The agent of an attempt was silent for the whole of its lease: the job is queued again, or is over.
    /// Answers whether that was so: it may have been heard meanwhile.
    pub async fn expire(&self, silent: &GoingOn) -> Result<bool, JobsError> {
        again!(&self.store, self.expire_once(silent))
    }

    async fn expire_once(&self, silent: &GoingOn) -> Result<bool, JobsError> {
        let mut transaction = self.store.pools().begin().await?;
        let Some(mut job) = jobs::lock(&mut transaction, silent.job).await? else {
            return Ok(false);
        };
        // A heartbeat takes this row only: whoever is first with it decides.
        if !attempts::lock(&mut transaction, silent.job, silent.attempt).await? {
            return Ok(false);
        }
        let attempt = attempts::get(&mut transaction, silent.attempt).await?;
        let Some(attempt) = attempt.filter(|attempt| attempt.pulse == silent.pulse) else {
            return Ok(false);
        };
        let fate = lost_fate(&job, silent);
        let ending = match fate.state {
            JobState::TimedOut => JobState::TimedOut.as_str(),
            _ => LOST,
        };
        let end = AttemptEnd {
            ending,
            error: Some(&fate.why.clone()),
            ..AttemptEnd::default()
        };
        settle(&mut transaction, &mut job, &attempt, &end, fate).await?;
        changes::commit(&self.store, transaction, &[changed(job.id)]).await?;
        Ok(true)
    }

    /// An attempt took longer than its timeout and some more, so its agent does not keep to it. It is not
    /// heard any more from now on, and ends when its lease does: until then it has time to end what it runs.
    pub async fn give_up_on(&self, attempt: &GoingOn) -> Result<(), JobsError> {
        again!(&self.store, self.mark_overdue(attempt.attempt))
    }

    async fn mark_overdue(&self, attempt: i64) -> Result<(), JobsError> {
        let mut transaction = self.store.pools().begin().await?;
        attempts::mark_overdue(&mut transaction, attempt).await?;
        Ok(changes::commit(&self.store, transaction, &[]).await?)
    }

    /// Ends the wait of jobs that waited too long, and answers how many.
    pub async fn give_up_waiting(&self, now: DateTime<Utc>) -> Result<u64, JobsError> {
        let now_us = now.timestamp_micros();
        let mut given_up = 0;
        for id in job_queue::giving_up(&self.store, now_us, GIVEN_UP_AT_ONCE).await? {
            given_up += u64::from(self.fail_to_start(id, now_us).await?);
        }
        Ok(given_up)
    }

    async fn fail_to_start(&self, id: i64, now_us: i64) -> Result<bool, JobsError> {
        let Some(job) = jobs::by_id(&self.store, id).await? else {
            return Ok(false);
        };
        let waited_for = self.waits_for(&job, Some(&job.project)).await?;
        again!(
            &self.store,
            self.fail_to_start_once(id, now_us, &waited_for)
        )
    }

    async fn fail_to_start_once(
        &self,
        id: i64,
        now_us: i64,
        waited_for: &str,
    ) -> Result<bool, JobsError> {
        let mut transaction = self.store.pools().begin().await?;
        let Some(mut job) = jobs::lock(&mut transaction, id).await? else {
            return Ok(false);
        };
        // It waits as long as it has a time until which it does.
        if job.give_up_us.is_none_or(|until| until >= now_us) {
            return Ok(false);
        }
        let why = format!(
            "it waited longer than {} s; at the end for {waited_for}",
            job.wait_max_s
        );
        let fate = Fate {
            state: JobState::FailedToStart,
            error: Some((JobErrorKind::Waited, why.clone())),
            why,
        };
        move_to(&mut transaction, &mut job, fate, now_us).await?;
        changes::commit(&self.store, transaction, &[changed(id)]).await?;
        Ok(true)
    }

    /// Deletes jobs that are forgotten and over, and agents that were not heard for long.
    pub async fn tidy(&self, now: DateTime<Utc>) -> Result<(), JobsError> {
        again!(&self.store, self.tidy_once(now))
    }

    async fn tidy_once(&self, now: DateTime<Utc>) -> Result<(), JobsError> {
        let before_us = (now - AGENT_KEPT).timestamp_micros();
        let mut transaction = self.store.pools().begin().await?;
        jobs::delete_forgotten(&mut transaction).await?;
        agents::forget(&mut transaction, before_us).await?;
        Ok(changes::commit(&self.store, transaction, &[]).await?)
    }
}

fn going_on(row: GoingOnAttemptRow) -> GoingOn {
    GoingOn {
        job: row.job,
        attempt: row.id,
        agent: row.agent,
        pulse: row.pulse,
        lease: Duration::from_millis(row.lease_ms.max(0).cast_unsigned()),
        timeout: Duration::from_secs(row.timeout_s.max(0).cast_unsigned()),
        is_overdue: row.overdue != 0,
    }
}

/// What becomes of a job whose agent was lost.
fn lost_fate(job: &JobRow, silent: &GoingOn) -> Fate {
    let seconds = silent.lease.as_secs();
    let agent = &silent.agent;
    let why = format!("agent {agent} was not heard for {seconds} s");
    if job.cancel_requested != 0 {
        return Fate {
            state: JobState::Cancelled,
            error: None,
            why,
        };
    }
    if silent.is_overdue {
        let seconds = job.timeout_s;
        return Fate {
            state: JobState::TimedOut,
            error: None,
            why: format!("it took longer than {seconds} s, and agent {agent} did not end it"),
        };
    }
    let (state, why) = if job.attempts_counted < job.attempts_max {
        (JobState::Queued, why)
    } else {
        let most = job.attempts_max;
        let why = format!("{why}; it may be begun {most} times at most");
        (JobState::Error, why)
    };
    Fate {
        state,
        error: Some((JobErrorKind::Lost, why.clone())),
        why,
    }
}
