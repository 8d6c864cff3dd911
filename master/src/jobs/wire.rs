//! From rows to the wire, and back.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::job::{
    Attempt, Job, JobError, JobErrorKind, JobKind, JobState, NewJob, Source, Step, StepName,
    Transition,
};
use shared::lease::Lease;

use crate::store::attempts::AttemptRow;
use crate::store::hash::Hash16;
use crate::store::jobs::{JobRow, NewJobRow};
use crate::store::steps::StepRow;
use crate::store::transitions::TransitionRow;
use crate::store::{StoreError, texts};

/// Microseconds in a second.
pub(super) const SECOND_US: i64 = 1_000_000;

/// What is only shown and handed out of a job.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Spec {
    pub(super) source: Source,
    pub(super) tests: Vec<String>,
    pub(super) args: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
}

impl Spec {
    pub(super) fn unpack(packed: &[u8]) -> Result<Self, StoreError> {
        serde_json::from_slice(&texts::unpack(packed)?)
            .map_err(|error| StoreError::damaged("spec of a job", error))
    }

    fn pack(&self) -> Result<Vec<u8>, StoreError> {
        let bytes = serde_json::to_vec(self)
            .map_err(|error| StoreError::damaged("spec of a job", error))?;
        Ok(texts::pack(&bytes))
    }
}

/// A moment out of microseconds since 1970.
pub(super) fn moment(microseconds: i64) -> Result<DateTime<Utc>, StoreError> {
    DateTime::from_timestamp_micros(microseconds)
        .ok_or_else(|| StoreError::damaged("time", format!("{microseconds} µs is no date")))
}

/// Labels as they are stored.
pub(super) fn labels_text(labels: &BTreeMap<String, String>) -> Result<String, StoreError> {
    serde_json::to_string(labels).map_err(|error| StoreError::damaged("labels", error))
}

/// Labels as they were stored.
pub(super) fn labels(text: &str) -> Result<BTreeMap<String, String>, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::damaged("labels", error))
}

/// The row of a job that is checked already.
pub(super) fn new_row(
    new: NewJob,
    kind: JobKind,
    rerun_of: Option<i64>,
    now: DateTime<Utc>,
) -> Result<NewJobRow, StoreError> {
    let is_task = is_task(&new);
    let labels = labels_text(&new.labels)?;
    let lane = lane(new.environment.as_deref(), &new.project, &labels, is_task)?;
    let created_us = now.timestamp_micros();
    let source_blob = match &new.source {
        Source::Git(_) => None,
        Source::Library(library) => library.snapshot.clone(),
        Source::Archive(archive) => Some(archive.archive.clone()),
    };
    let spec = Spec {
        source: new.source,
        tests: new.tests,
        args: new.args,
        env: new.env,
    };
    Ok(NewJobRow {
        uuid: new.uuid.unwrap_or_else(|| uuid::Uuid::now_v7().to_string()),
        kind: kind.as_str(),
        project: new.project,
        username: new.username,
        environment: new.environment,
        labels,
        is_task,
        lane,
        priority: i64::from(new.priority),
        timeout_s: new.timeout_s as i64,
        attempts_max: i64::from(new.attempts_max),
        wait_max_s: new.wait_max_s as i64,
        created_us,
        give_up_us: created_us + new.wait_max_s as i64 * SECOND_US,
        rerun_of,
        source_blob,
        spec: spec.pack()?,
    })
}

/// Whether the task contract has words for everything that a job asks for.
fn is_task(new: &NewJob) -> bool {
    let Source::Git(git) = &new.source else {
        return false;
    };
    let is_plain = git.commit.is_none() && git.tests_url.is_none() && !git.submodules;
    is_plain && new.labels.is_empty() && new.args.is_empty() && new.env.is_empty()
}

/// The name of the lane of a job: those of one lane can be had by the same agents.
fn lane(
    environment: Option<&str>,
    project: &str,
    labels: &str,
    is_task: bool,
) -> Result<String, StoreError> {
    let words = serde_json::to_vec(&(environment, project, labels, is_task))
        .map_err(|error| StoreError::damaged("lane", error))?;
    let Hash16(hash) = Hash16::of(&words);
    Ok(format!("{:032x}", u128::from_be_bytes(hash)))
}

/// A job as lists show it.
pub(super) fn job(row: JobRow) -> Result<Job, StoreError> {
    let spec = Spec::unpack(&row.spec)?;
    let error = match (row.error_kind.as_deref(), row.error) {
        (Some(kind), text) => Some(JobError {
            kind: error_kind(kind)?,
            text: text.unwrap_or_default(),
        }),
        (None, _) => None,
    };
    Ok(Job {
        id: row.id,
        kind: JobKind::parse(&row.kind).ok_or_else(|| unknown("kind", &row.kind))?,
        source: spec.source,
        tests: spec.tests,
        args: spec.args,
        env: spec.env,
        labels: labels(&row.labels)?,
        timeout_s: row.timeout_s as u64,
        attempts_max: row.attempts_max as u32,
        wait_max_s: row.wait_max_s as u64,
        priority: row.priority as i32,
        state: state(&row.state)?,
        error,
        waits_for: None,
        cancel_requested: row.cancel_requested != 0,
        created_at: moment(row.created_us)?,
        started_at: row.started_us.map(moment).transpose()?,
        finished_at: row.finished_us.map(moment).transpose()?,
        attempt: row.attempt_number as u32,
        exit_code: row.exit_code.map(|code| code as i32),
        log_bytes: row.log_bytes as u64,
        rerun_of: row.rerun_of,
        transitions: Vec::new(),
        attempts: Vec::new(),
        uuid: row.uuid,
        username: row.username,
        project: row.project,
        environment: row.environment,
        agent: row.agent,
        run_id: row.run_id,
    })
}

/// What an agent is told of its attempt.
pub(super) fn lease(job: &JobRow, attempt: &AttemptRow) -> Result<Lease, StoreError> {
    let spec = Spec::unpack(&job.spec)?;
    Ok(Lease {
        job: job.id,
        uuid: job.uuid.clone(),
        attempt: attempt.id,
        number: attempt.number as u32,
        lease_s: lease_s(attempt.lease_ms),
        run_id: attempt.run_id.clone(),
        username: job.username.clone(),
        project: job.project.clone(),
        source: spec.source,
        tests: spec.tests,
        args: spec.args,
        env: spec.env,
        environment: job.environment.clone(),
        timeout_s: job.timeout_s as u64,
    })
}

/// Whole seconds of a lease; one that is shorter than a second does not exist.
pub(super) fn lease_s(lease_ms: i64) -> u32 {
    u32::try_from(lease_ms / 1_000).unwrap_or(u32::MAX).max(1)
}

/// The history of a job.
pub(super) fn transition(row: TransitionRow) -> Result<Transition, StoreError> {
    Ok(Transition {
        state: state(&row.state)?,
        at: moment(row.at_us)?,
        attempt: row.attempt as u32,
        why: row.why,
    })
}

/// An attempt with those of the steps of a job that belong to it.
pub(super) fn attempt(row: AttemptRow, steps: &[StepRow]) -> Result<Attempt, StoreError> {
    let steps = steps.iter().filter(|step| step.attempt == row.id);
    Ok(Attempt {
        number: row.number as u32,
        agent: row.agent,
        run_id: row.run_id,
        leased_at: moment(row.leased_us)?,
        ended_at: row.ended_us.map(moment).transpose()?,
        ending: row.ending,
        exit_code: row.exit_code.map(|code| code as i32),
        steps: steps.map(step).collect::<Result<_, _>>()?,
    })
}

fn step(row: &StepRow) -> Result<Step, StoreError> {
    let place = usize::try_from(row.position).unwrap_or(usize::MAX);
    Ok(Step {
        name: *StepName::ALL
            .get(place)
            .ok_or_else(|| StoreError::damaged("step", format!("there is no step {place}")))?,
        started_at: moment(row.started_us)?,
        finished_at: row.finished_us.map(moment).transpose()?,
        text: row.text.clone(),
    })
}

/// The state that a row names.
pub(super) fn state(word: &str) -> Result<JobState, StoreError> {
    JobState::parse(word).ok_or_else(|| unknown("state", word))
}

fn error_kind(word: &str) -> Result<JobErrorKind, StoreError> {
    JobErrorKind::parse(word).ok_or_else(|| unknown("error kind", word))
}

fn unknown(what: &str, word: &str) -> StoreError {
    StoreError::damaged(
        format!("{what} of a job"),
        format!("`{word}` is none of them"),
    )
}

/// A text that an agent said, as it can be kept: not too long, and without the character that PostgreSQL
/// does not take.
pub(super) fn told(text: &str) -> String {
    let text = text.replace('\0', "\u{fffd}");
    shared::text::cut(&text, shared::limits::JOB_ERROR_BYTES_MAX).into_owned()
}
