//! Which runs were there, and what did one of them say?

use chrono::{DateTime, Utc};
use shared::run::{Run, RunFailure, RunSummary};
use shared::status::RunStatus;

use super::live;
use super::live_cases::LiveCases;
use super::moment::moment;
use crate::store::columns::{CaseColumns, Sections};
use crate::store::details::Details;
use crate::store::runs::{Conditions, RunRow};
use crate::store::{Store, StoreError, bodies, failures, runs, streams, texts};

/// Which runs to list; an absent filter lets everything through.
#[derive(Debug, Clone, Default)]
pub struct RunsFilter {
    /// Only this worker's.
    pub worker_id: Option<String>,
    /// Only this project's.
    pub project: Option<String>,
    /// Only this branch's.
    pub branch: Option<String>,
    /// Only this commit's: the whole, or the first characters of it.
    pub commit: Option<String>,
    /// Only those with this verdict.
    pub status: Option<RunStatus>,
    /// Only those whose timestamp is this moment or later.
    pub since: Option<DateTime<Utc>>,
    /// Only those whose timestamp is before this moment.
    pub until: Option<DateTime<Utc>>,
    /// Only those with a smaller id: where to go on.
    pub before: Option<i64>,
    /// At most this many.
    pub limit: u32,
}

/// Lists runs, the last to arrive first.
pub async fn list(store: &Store, filter: &RunsFilter) -> Result<Vec<RunSummary>, StoreError> {
    let mut conditions = Conditions::default();
    conditions.text("project =", filter.project.as_deref());
    conditions.text("branch =", filter.branch.as_deref());
    conditions.text("worker_id =", filter.worker_id.as_deref());
    conditions.text("status =", filter.status.map(RunStatus::as_str));
    let commit = filter.commit.as_deref();
    conditions.text("commit_id >=", commit);
    conditions.text("commit_id <", commit.map(behind_prefix).as_deref());
    conditions.number(
        "timestamp_us >=",
        filter.since.map(|moment| moment.timestamp_micros()),
    );
    conditions.number(
        "timestamp_us <",
        filter.until.map(|moment| moment.timestamp_micros()),
    );
    conditions.number("id <", filter.before);
    summaries(store, runs::newest(store, &conditions, filter.limit).await?).await
}

/// Runs by the master's own numbers, in no order; those that are not there are missing.
pub async fn by_ids(store: &Store, ids: &[i64]) -> Result<Vec<RunSummary>, StoreError> {
    summaries(store, runs::by_ids(store, ids).await?).await
}

/// The same by the ids that workers chose.
pub async fn by_run_ids(store: &Store, run_ids: &[String]) -> Result<Vec<RunSummary>, StoreError> {
    summaries(store, runs::by_run_ids(store, run_ids).await?).await
}

async fn summaries(store: &Store, rows: Vec<RunRow>) -> Result<Vec<RunSummary>, StoreError> {
    let summaries: Result<Vec<_>, _> = rows.into_iter().map(summary).collect();
    let mut summaries = summaries?;
    live::complete(store, &mut summaries).await?;
    Ok(summaries)
}

/// The project of a run, `None` when there is no run with this id.
pub async fn project(store: &Store, run_id: &str) -> Result<Option<String>, StoreError> {
    let key = runs::key(store, run_id).await?;
    Ok(key.map(|(_, project)| project))
}

/// The smallest text behind all that begin with a prefix.
fn behind_prefix(prefix: &str) -> String {
    format!("{prefix}\u{10ffff}")
}

/// One run with its failures, `None` when there is none with this id.
pub async fn get(store: &Store, run_id: &str) -> Result<Option<Run>, StoreError> {
    let Some(row) = runs::by_run_id(store, run_id).await? else {
        return Ok(None);
    };
    if row.status == RunStatus::Running.as_str() {
        if let Some(run) = get_live(store, &row).await? {
            return Ok(Some(run));
        }
        let Some(ended) = runs::by_run_id(store, run_id).await? else {
            return Ok(None);
        };
        return get_ended(store, ended).await.map(Some);
    }
    get_ended(store, row).await.map(Some)
}

async fn get_ended(store: &Store, row: RunRow) -> Result<Run, StoreError> {
    let body = bodies::by_run(store, row.id).await?;
    let details = Details::unpack(&body.details)?;
    let failures = match body.columns {
        Some(columns) => bad_cases(store, row.id, &columns).await?,
        None => sent_failures(store, row.id).await?,
    };
    whole(row, details, failures)
}

/// A run that goes on, `None` when it ended meanwhile.
async fn get_live(store: &Store, row: &RunRow) -> Result<Option<Run>, StoreError> {
    let cases = LiveCases::find(store, row.id).await?;
    let failures = cases.failures(store).await?;
    let body = bodies::by_run(store, row.id).await?;
    // Asked last: a run that still goes on now had all its batches all the while.
    let Some(going_on) = streams::going_on(store, row.id).await? else {
        return Ok(None);
    };
    let mut run = whole(row.clone(), Details::unpack(&body.details)?, failures)?;
    live::complete_one(store, &mut run, &going_on).await?;
    Ok(Some(run))
}

async fn bad_cases(store: &Store, run: i64, packed: &[u8]) -> Result<Vec<RunFailure>, StoreError> {
    let rows = failures::listed(store, run).await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let columns = Sections::unpack(packed)
        .and_then(|sections| CaseColumns::decode(&sections))
        .map_err(|error| StoreError::columns("columns", run, error))?;
    let message = |position: i64| {
        let case = columns.case(position as usize);
        case.message.unwrap_or_default().to_owned()
    };
    let bad = rows.into_iter().map(|row| RunFailure {
        message: message(row.position),
        nodeid: row.nodeid,
        duration: row.duration_s.unwrap_or(0.0),
    });
    Ok(bad.collect())
}

async fn sent_failures(store: &Store, run: i64) -> Result<Vec<RunFailure>, StoreError> {
    let rows = failures::sent(store, run).await?;
    let sent = rows.into_iter().map(|row| {
        let message = row.message.as_deref().map(texts::unpack_text).transpose()?;
        Ok(RunFailure {
            nodeid: row.nodeid,
            duration: row.duration_s.unwrap_or(0.0),
            message: message.unwrap_or_default(),
        })
    });
    sent.collect()
}

fn summary(row: RunRow) -> Result<RunSummary, StoreError> {
    Ok(RunSummary {
        id: row.id,
        timestamp: moment(row.timestamp_us)?,
        passed: row.passed as u64,
        failed: row.failed as u64,
        error: row.error as u64,
        skipped: row.skipped as u64,
        total: row.total as u64,
        duration: row.duration_s,
        pass_rate: row.pass_rate,
        status: status(&row.status)?,
        complete: row.complete != 0,
        received_at: moment(row.received_us)?,
        live: None,
        run_id: row.run_id,
        worker_id: row.worker_id,
        project: row.project,
        branch: row.branch,
        commit: row.commit_id,
    })
}

fn whole(row: RunRow, details: Details, failures: Vec<RunFailure>) -> Result<Run, StoreError> {
    Ok(Run {
        id: row.id,
        timestamp: moment(row.timestamp_us)?,
        passed: row.passed as u64,
        failed: row.failed as u64,
        error: row.error as u64,
        skipped: row.skipped as u64,
        total: row.total as u64,
        duration: row.duration_s,
        pass_rate: row.pass_rate,
        failures,
        status: status(&row.status)?,
        exit_code: details.exit_code,
        signal: details.signal,
        finished: !details.unfinished,
        complete: row.complete != 0,
        collected: details.collected,
        deselected: details.deselected,
        reported: details.reported,
        xfailed: details.xfailed,
        xpassed: details.xpassed,
        rerun: details.rerun,
        subtests_passed: details.subtests_passed,
        subtests_failed: details.subtests_failed,
        collection_errors: details.collection_errors,
        collection_skips: details.collection_skips,
        running: details.running,
        running_count: details.running_count,
        not_run: details.not_run,
        not_run_count: details.not_run_count,
        problems: details.problems,
        log_tail: details.log_tail,
        dirty: details.dirty,
        variant: details.variant,
        python: details.python,
        pytest: details.pytest,
        platform: details.platform,
        plugins: details.plugins,
        command: details.command,
        ci: details.ci,
        started_at: details.started_us.map(moment).transpose()?,
        finished_at: details.finished_us.map(moment).transpose()?,
        received_at: moment(row.received_us)?,
        live: None,
        run_id: row.run_id,
        worker_id: row.worker_id,
        project: row.project,
        branch: row.branch,
        commit: row.commit_id,
    })
}

/// The status that a row names.
fn status(word: &str) -> Result<RunStatus, StoreError> {
    word.parse()
        .map_err(|error| StoreError::damaged("status", error))
}
