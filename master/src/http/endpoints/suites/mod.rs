//! Suites on demand: a view over jobs that take turns.

pub(in crate::http) mod current;
pub(in crate::http) mod forget;
pub(in crate::http) mod history;
pub(in crate::http) mod run;
pub(in crate::http) mod status;

use std::collections::HashMap;

use shared::job::{Job, JobKind};
use shared::run::RunSummary;
use shared::suite::Suite;

use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::ApiError;
use crate::jobs::JobsFilter;
use crate::queries::runs;

/// The suites that a caller sees.
fn filter(asking: &Asking) -> JobsFilter {
    JobsFilter {
        project: asking.0.project().map(str::to_owned),
        kind: Some(JobKind::Suite),
        ..JobsFilter::default()
    }
}

/// Jobs as suites, each with its run.
async fn shown(app: &App, jobs: &[Job]) -> Result<Vec<Suite>, ApiError> {
    let over = jobs.iter().filter(|job| job.state.is_over());
    let ids: Vec<String> = over.filter_map(|job| job.run_id.clone()).collect();
    let runs = runs::by_run_ids(&app.store, &ids).await?;
    let runs: HashMap<&str, &RunSummary> =
        runs.iter().map(|run| (run.run_id.as_str(), run)).collect();
    let run = |job: &Job| job.run_id.as_deref().and_then(|id| runs.get(id).copied());
    Ok(jobs.iter().map(|job| Suite::of(job, run(job))).collect())
}
