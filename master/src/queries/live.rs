//! How far are runs that go on, and when will they end?

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use shared::run::{Run, RunSummary};
use shared::status::RunStatus;
use shared::stream::Live;

use super::moment::moment;
use crate::store::streams::GoingOnRow;
use crate::store::{Store, StoreError, packed, runs, streams};

/// Whole runs whose median tells how long a run takes.
const RUNS_COMPARED: u32 = 11;

/// Whose runs take equally long: project and branch.
type Series = (String, String);

/// How long runs usually take, asked for once for each series.
#[derive(Debug, Default)]
struct Usual(BTreeMap<Series, Option<f64>>);

impl Usual {
    async fn duration_s(
        &mut self,
        store: &Store,
        project: &str,
        branch: &str,
    ) -> Result<Option<f64>, StoreError> {
        let series = (project.to_owned(), branch.to_owned());
        if let Some(known) = self.0.get(&series) {
            return Ok(*known);
        }
        let of_branch = runs::whole_durations(store, project, Some(branch), RUNS_COMPARED).await?;
        let duration = match median(of_branch) {
            Some(median) => Some(median),
            None => median(runs::whole_durations(store, project, None, RUNS_COMPARED).await?),
        };
        self.0.insert(series, duration);
        Ok(duration)
    }
}

fn median(mut durations: Vec<f64>) -> Option<f64> {
    durations.sort_unstable_by(f64::total_cmp);
    durations.get(durations.len() / 2).copied()
}

/// Adds what is known of their end to runs that go on.
pub(super) async fn complete(store: &Store, runs: &mut [RunSummary]) -> Result<(), StoreError> {
    let goes_on = |run: &&mut RunSummary| run.status == RunStatus::Running;
    let ids: Vec<i64> = runs.iter_mut().filter(goes_on).map(|run| run.id).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let heard = streams::heard(store, &ids).await?.into_iter();
    let heard: BTreeMap<i64, i64> = heard.map(|row| (row.run, row.heard_us)).collect();
    let mut usual = Usual::default();
    for run in runs.iter_mut().filter(goes_on) {
        if let Some(heard_us) = heard.get(&run.id) {
            let duration = usual.duration_s(store, &run.project, &run.branch).await?;
            run.live = Some(Live {
                heard_at: moment(*heard_us)?,
                expected_finish_at: expected(run.received_at, duration),
            });
        }
    }
    Ok(())
}

/// Adds how far it is to a run that goes on.
pub(super) async fn complete_one(
    store: &Store,
    run: &mut Run,
    row: &GoingOnRow,
) -> Result<(), StoreError> {
    let progress = packed::unpack_progress(&row.progress)?;
    run.collected = progress.collected.or(run.collected);
    run.deselected = progress.deselected.max(run.deselected);
    run.running_count = progress.running_count.max(progress.running.len() as u64);
    run.running = progress.running;
    run.reported = run.total;
    let mut usual = Usual::default();
    let duration = usual.duration_s(store, &run.project, &run.branch).await?;
    run.live = Some(Live {
        heard_at: moment(row.heard_us)?,
        expected_finish_at: expected(run.received_at, duration),
    });
    Ok(())
}

/// Both times are the master's own, so that a worker's clock does not matter.
fn expected(opened_at: DateTime<Utc>, duration_s: Option<f64>) -> Option<DateTime<Utc>> {
    let microseconds = (duration_s? * 1e6).clamp(0.0, i64::MAX as f64) as i64;
    opened_at.checked_add_signed(TimeDelta::microseconds(microseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_run_that_hung_does_not_change_what_is_usual() {
        assert_eq!(median(vec![10.0, 7_200.0, 12.0]), Some(12.0));
        assert_eq!(median(vec![]), None);
    }

    #[test]
    fn a_duration_beyond_all_calendars_is_no_expectation() {
        let now = Utc::now();
        assert_eq!(expected(now, Some(f64::MAX)), None);
        assert_eq!(expected(now, None), None);
        assert_eq!(expected(now, Some(2.0)), Some(now + TimeDelta::seconds(2)));
    }
}
