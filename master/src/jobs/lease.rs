//! Handing out jobs.
//!
//! A look that writes nothing finds what somebody could have; the transaction that hands it out locks the
//! environment and looks once more. Whoever finds another one was faster tries the next environment.

use std::collections::HashSet;
use std::time::Duration;

use chrono::Utc;
use shared::job::JobState;
use shared::lease::{Lease, LeaseRequest};
use shared::{limits, validate};

use super::again::{again, note};
use super::offer::{self, Head, Offer, Place};
use super::queue::changed;
use super::wire::{self, SECOND_US};
use super::{Jobs, JobsError};
use crate::store::agents::{self, AgentRow};
use crate::store::attempts::{self, AttemptRow, NewAttempt};
use crate::store::engine::Transacting;
use crate::store::job_queue::Claim;
use crate::store::jobs::JobRow;
use crate::store::transitions::{self, TransitionRow};
use crate::store::{changes, environments, job_logs, job_queue};

/// Environments that are tried in one call when others are faster each time. Whoever waits looks again
/// anyway.
const TRIES_MAX: usize = 16;

/// Time that a runner of the task contract has beyond the job's own timeout.
const TASK_GRACE: Duration = Duration::from_mins(1);

/// Somebody who asks for a job.
#[derive(Debug)]
struct Asker {
    name: String,
    offer: Offer,
}

impl Jobs {
    /// Hands out the next job that an agent can have, if there is one now. `project` is the only one that
    /// the agent may have jobs of.
    pub async fn lease(
        &self,
        request: &LeaseRequest,
        project: Option<&str>,
    ) -> Result<Option<Lease>, JobsError> {
        validate::job::lease_request(request)?;
        self.write_down(request, project).await?;
        self.lease_as_agent(request, project).await
    }

    /// The same for an agent that is checked and written down.
    pub(super) async fn lease_as_agent(
        &self,
        request: &LeaseRequest,
        project: Option<&str>,
    ) -> Result<Option<Lease>, JobsError> {
        let asker = Asker {
            name: request.agent.clone(),
            offer: Offer {
                project: project.map(str::to_owned),
                labels: request.labels.clone(),
                tasks_only: false,
            },
        };
        self.next(&asker).await
    }

    /// Hands out the next job that a runner of the task contract can have: one of a git repository and a
    /// branch, without labels, arguments and variables. Such a lease has no heartbeats, and is over some time
    /// after the job's own timeout.
    pub async fn lease_task(
        &self,
        runner: &str,
        project: Option<&str>,
    ) -> Result<Option<Lease>, JobsError> {
        let asker = Asker {
            name: runner.to_owned(),
            offer: Offer {
                project: project.map(str::to_owned),
                labels: std::collections::BTreeMap::new(),
                tasks_only: true,
            },
        };
        self.next(&asker).await
    }

    /// Writes an agent down, if what it says is news or was written long ago.
    pub(super) async fn write_down(
        &self,
        request: &LeaseRequest,
        project: Option<&str>,
    ) -> Result<(), JobsError> {
        let agent = AgentRow {
            name: request.agent.clone(),
            project: project.map(str::to_owned),
            labels: wire::labels_text(&request.labels)?,
            slots: i64::from(request.slots),
            version: request.version.clone(),
            seen_us: Utc::now().timestamp_micros(),
        };
        if self.presence.is_news(&agent) {
            again!(&self.store, self.put_agent(&agent))?;
            self.presence.wrote(agent);
        }
        Ok(())
    }

    async fn put_agent(&self, agent: &AgentRow) -> Result<(), JobsError> {
        let mut transaction = self.store.pools().begin().await?;
        agents::put(&mut transaction, agent).await?;
        Ok(changes::commit(&self.store, transaction, &[]).await?)
    }

    async fn next(&self, asker: &Asker) -> Result<Option<Lease>, JobsError> {
        let mut tried: HashSet<Place> = HashSet::new();
        for _ in 0..TRIES_MAX {
            let heads = read(job_queue::heads(&self.store).await?)?;
            let others = self.others(asker, &heads).await?;
            let candidates = offer::candidates(&heads, &asker.offer, &others);
            let untried = candidates.iter().map(|head| head.place());
            let untried: Vec<Place> = untried.filter(|place| !tried.contains(place)).collect();
            let Some(turn) = self.turns.take(untried) else {
                return Ok(None);
            };
            let place = turn.place.clone();
            let handed = again!(&self.store, self.hand_out(asker, &place, &others))?;
            drop(turn);
            if let Some((job, attempt)) = handed {
                return Ok(Some(wire::lease(&job, &attempt)?));
            }
            tried.insert(place);
        }
        Ok(None)
    }

    /// What the other agents that are online offer; nothing where it does not matter.
    async fn others(&self, asker: &Asker, heads: &[Head]) -> Result<Vec<Offer>, JobsError> {
        if !offer::depends_on_others(heads, &asker.offer) {
            return Ok(Vec::new());
        }
        let rows = agents::seen_since(&self.store, online_since_us()).await?;
        let others = rows.into_iter().filter(|row| row.name != asker.name);
        Ok(others.map(Offer::of).collect::<Result<_, _>>()?)
    }

    /// Hands out what is first in a place now; `None` when there is nothing any more.
    async fn hand_out(
        &self,
        asker: &Asker,
        place: &Place,
        others: &[Offer],
    ) -> Result<Option<(JobRow, AttemptRow)>, JobsError> {
        let mut transaction = self.store.pools().begin().await?;
        let (id, slot) = match place {
            Place::Job(id) => (*id, None),
            Place::Environment(name) => {
                let Some(capacity) = environments::lock(&mut transaction, name).await? else {
                    return Ok(None);
                };
                let first = first_of(&mut transaction, name, &asker.offer, others).await?;
                let taken = job_queue::slots(&mut transaction, name).await?;
                let (Some(first), Some(slot)) = (first, free_slot(&taken, capacity)) else {
                    return Ok(None);
                };
                (first, Some(slot))
            }
        };
        let now_us = Utc::now().timestamp_micros();
        let claim = Claim {
            id,
            slot,
            agent: &asker.name,
            started_us: now_us,
        };
        let Some(mut job) = job_queue::claim(&mut transaction, &claim).await? else {
            return Ok(None);
        };
        let lease = if asker.offer.tasks_only {
            of_task(job.timeout_s)
        } else {
            self.lease
        };
        let attempt = begin(&mut transaction, &mut job, lease, now_us).await?;
        changes::commit(&self.store, transaction, &[changed(job.id)]).await?;
        Ok(Some((job, attempt)))
    }

    /// Gives a job back that was handed out to somebody who has gone.
    pub(super) async fn take_back(&self, lease: &Lease) {
        let released = shared::lease::FinishAttempt {
            ending: shared::lease::AttemptEnding::Released,
            error_kind: None,
            error: Some("the agent had gone when it was to get the job".to_owned()),
            exit_code: None,
        };
        let outcome = self.finish(lease.job, lease.attempt, released).await;
        if let Err(error) = note(&self.store, outcome) {
            // Its lease will be over in time.
            tracing::warn!(job = lease.job, %error, "a job could not be given back");
        }
    }
}

/// The job of an environment that somebody can have now.
async fn first_of(
    transaction: &mut Transacting,
    environment: &str,
    asker: &Offer,
    others: &[Offer],
) -> Result<Option<i64>, JobsError> {
    let (rows, are_all) = job_queue::first_of(transaction, environment).await?;
    let mut heads = read(rows)?;
    if !are_all && offer::are_passed_over(&heads, asker, others) {
        let all = read(job_queue::heads_now(transaction).await?)?.into_iter();
        let is_here = |head: &Head| head.environment.as_deref() == Some(environment);
        heads = all.filter(is_here).collect();
    }
    let candidates = offer::candidates(&heads, asker, others);
    Ok(candidates.first().map(|head| head.id))
}

/// Writes what belongs to a job that was just claimed.
async fn begin(
    transaction: &mut Transacting,
    job: &mut JobRow,
    lease: Duration,
    now_us: i64,
) -> Result<AttemptRow, JobsError> {
    let agent = job.agent.clone().unwrap_or_default();
    let new = NewAttempt {
        job: job.id,
        number: job.attempt_number,
        agent: &agent,
        run_id: job.run_id.as_deref().unwrap_or_default(),
        leased_us: now_us,
        lease_ms: in_ms(lease),
    };
    let attempt = attempts::insert(transaction, &new).await?;
    let transition = TransitionRow {
        state: JobState::Running.as_str().to_owned(),
        at_us: now_us,
        attempt: job.attempt_number,
        why: format!("agent {agent}"),
    };
    transitions::insert(transaction, job.id, &transition).await?;
    if job.attempt_number > 1 {
        let line = format!("== attempt {} on {agent}\n", job.attempt_number);
        let bytes = line.len() as i64;
        job_logs::insert(transaction, job.id, job.log_bytes, line.as_bytes()).await?;
        job_logs::grow(transaction, job.id, bytes).await?;
        job.log_bytes += bytes;
    }
    Ok(attempt)
}

fn read(rows: Vec<job_queue::HeadRow>) -> Result<Vec<Head>, JobsError> {
    Ok(rows.into_iter().map(Head::of).collect::<Result<_, _>>()?)
}

/// The first place that nobody has. Where the capacity was lowered, more may be taken than there are.
fn free_slot(taken: &[i64], capacity: i64) -> Option<i64> {
    let count = taken.len() as i64;
    if count >= capacity {
        return None;
    }
    (0..=count).find(|slot| !taken.contains(slot))
}

/// How long a runner of the task contract has for a job; longer than any lease of an agent, but for jobs
/// with a timeout of less than an hour on masters with very long leases.
pub(super) fn of_task(timeout_s: i64) -> Duration {
    Duration::from_secs(timeout_s.cast_unsigned()) + TASK_GRACE
}

/// A lease as it is stored.
pub(super) fn in_ms(lease: Duration) -> i64 {
    i64::try_from(lease.as_millis()).unwrap_or(i64::MAX)
}

/// Who was heard after this is online.
pub(super) fn online_since_us() -> i64 {
    Utc::now().timestamp_micros() - limits::AGENT_ONLINE_S.cast_signed() * SECOND_US
}

#[cfg(test)]
mod tests {
    use super::free_slot;

    #[test]
    fn the_first_free_place_is_taken_and_a_lowered_capacity_is_kept() {
        assert_eq!(free_slot(&[], 1), Some(0));
        assert_eq!(free_slot(&[0, 2], 3), Some(1));
        assert_eq!(free_slot(&[0], 1), None);
        assert_eq!(free_slot(&[5], 1), None);
        assert_eq!(free_slot(&[5], 2), Some(0));
    }
}
