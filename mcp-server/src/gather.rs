//! Everything a report needs, fetched within bounds of time: what cannot be had becomes a remark.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use shared::answer::{FailureStat, TrendPoint, WorkerSummary};
use shared::case::Case;
use shared::outcome::Outcome;
use shared::query::{CasesQuery, FailureStatsQuery, TrendQuery};
use shared::run::Run;

use crate::client::{Master, MasterError};
use crate::limits;

/// Failing cases with everything that went wrong in them.
#[derive(Debug, Clone, Default)]
pub struct Details {
    /// By nodeid.
    pub cases: BTreeMap<String, Case>,
}

/// The slowest and the least reliable tests of a run.
#[derive(Debug, Clone, Default)]
pub struct Slowest {
    /// Slowest first.
    pub cases: Vec<Case>,
    /// Tests that passed only after a rerun.
    pub flaky: Vec<Case>,
}

/// All that a report shows.
#[derive(Debug, Clone)]
pub struct ReportData {
    /// The run, `None` when nothing was reported yet.
    pub run: Option<Run>,
    /// Its failing cases in full, as far as fetched.
    pub details: Details,
    /// Its slowest tests.
    pub slowest: Slowest,
    /// The last runs, oldest first.
    pub trend: Vec<TrendPoint>,
    /// What the trend is of, in words.
    pub trend_of: String,
    /// The most frequent failures of the project.
    pub stats: Vec<FailureStat>,
    /// All workers.
    pub workers: Vec<WorkerSummary>,
    /// What could not be had and why.
    pub remarks: Vec<String>,
    /// The master that was asked.
    pub master_url: String,
    /// When the report was made.
    pub made_at: DateTime<Utc>,
}

/// Fetches what belongs to a report on `run`.
pub async fn report(master: &Master, run: Option<Run>, details_max: usize) -> ReportData {
    let mut data = ReportData {
        run: None,
        details: Details::default(),
        slowest: Slowest::default(),
        trend: Vec::new(),
        trend_of: String::new(),
        stats: Vec::new(),
        workers: Vec::new(),
        remarks: Vec::new(),
        master_url: master.url().to_owned(),
        made_at: Utc::now(),
    };
    let Some(run) = run else {
        return data;
    };
    let stats_query = FailureStatsQuery {
        project: named(&run.project),
        limit: Some(limits::REPORT_STATS_ROWS),
    };
    let (details, slowest, trend, stats, workers) = tokio::join!(
        details(master, &run, details_max),
        slowest(master, &run),
        trend(master, &run),
        master.failure_stats(&stats_query),
        master.workers(),
    );
    data.details = details;
    data.slowest = had(slowest, "slowest tests", &mut data.remarks);
    (data.trend, data.trend_of) = had(trend, "trend", &mut data.remarks);
    data.stats = had(stats, "most frequent failures", &mut data.remarks);
    data.workers = had(workers, "workers", &mut data.remarks);
    data.run = Some(run);
    data
}

fn had<T: Default>(result: Result<T, MasterError>, what: &str, remarks: &mut Vec<String>) -> T {
    result.unwrap_or_else(|error| {
        tracing::warn!(%error, what, "a part of the report is missing");
        remarks.push(format!("The section “{what}” is missing: {error}."));
        T::default()
    })
}

fn named(name: &str) -> Option<String> {
    (!name.is_empty()).then(|| name.to_owned())
}

/// Fetches the first failing cases in full, until their number or the time is used up. A run that
/// was sent without cases has none.
pub async fn details(master: &Master, run: &Run, cases_max: usize) -> Details {
    let deadline = Instant::now() + Duration::from_millis(limits::DETAILS_MS);
    let mut details = Details::default();
    let running = run.running.iter().map(String::as_str);
    let failing = run.failures.iter().map(|failure| failure.nodeid.as_str());
    for nodeid in running.take(3).chain(failing).take(cases_max) {
        if Instant::now() > deadline {
            break;
        }
        if details.cases.contains_key(nodeid) {
            continue;
        }
        match master.case(&run.run_id, nodeid).await {
            Ok(case) => drop(details.cases.insert(nodeid.to_owned(), case)),
            Err(MasterError::NotFound { .. }) if run.running.iter().any(|id| id == nodeid) => {}
            Err(error) => {
                tracing::debug!(%error, nodeid, "no details");
                break;
            }
        }
    }
    details
}

/// Asks for the slowest tests, and for those that passed only after a rerun when there are any.
async fn slowest(master: &Master, run: &Run) -> Result<Slowest, MasterError> {
    let slowest = CasesQuery {
        sort: Some("slowest".to_owned()),
        limit: Some(limits::SLOWEST_KEPT),
        ..CasesQuery::default()
    };
    let mut found = Slowest {
        cases: cases(master, run, &slowest).await?,
        flaky: Vec::new(),
    };
    if run.rerun > 0 {
        let rerun = CasesQuery {
            outcome: Some(Outcome::Rerun.as_str().to_owned()),
            limit: Some(shared::limits::CASES_LIMIT_MAX),
            ..CasesQuery::default()
        };
        found.flaky = cases(master, run, &rerun).await?;
        found.flaky.retain(|case| !case.outcome.is_bad());
        found.flaky.truncate(limits::SLOWEST_KEPT as usize);
    }
    Ok(found)
}

async fn cases(master: &Master, run: &Run, query: &CasesQuery) -> Result<Vec<Case>, MasterError> {
    match master.cases(&run.run_id, query).await {
        Ok(page) => Ok(page.cases),
        // A run of counts only has no cases; that is no reason for a remark.
        Err(MasterError::NotFound { .. }) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The trend of the run's project and branch; of the whole project when the branch has only one run.
async fn trend(master: &Master, run: &Run) -> Result<(Vec<TrendPoint>, String), MasterError> {
    let project = if run.project.is_empty() {
        "all projects".to_owned()
    } else {
        crate::untrusted::short_id(&run.project, 80)
    };
    let mut query = TrendQuery {
        project: named(&run.project),
        branch: named(&run.branch),
        limit: Some(limits::REPORT_TREND_RUNS),
        ..TrendQuery::default()
    };
    let of_branch = master.trend(&query).await?;
    if of_branch.len() > 1 || query.branch.is_none() {
        let words = match &query.branch {
            Some(branch) => format!(
                "{project}, branch {}",
                crate::untrusted::short_id(branch, 80)
            ),
            None => project,
        };
        return Ok((of_branch, words));
    }
    query.branch = None;
    Ok((
        master.trend(&query).await?,
        format!("{project}, all branches"),
    ))
}
