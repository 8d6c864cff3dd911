//! One transaction for many runs: every table gets one statement for all of them.

use std::collections::BTreeMap;

use super::plan::Plan;
use crate::store::bodies::{self, NewBody};
use crate::store::dictionary::ALL_PROJECTS;
use crate::store::engine::Transacting;
use crate::store::hash::Hash16;
use crate::store::workers::WorkerRow;
use crate::store::{
    Store, StoreError, case_failures, failure_counts, failures, layouts, projects, runs, texts,
    workers,
};

/// What became of one run of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    Created,
    Unchanged,
    Conflict,
}

/// A run that is new, with its id.
type New<'a> = (i64, &'a Plan);

/// Writes all runs or none; durable when it answers.
pub(super) async fn batch(store: &Store, plans: &[&Plan]) -> Result<Vec<Written>, StoreError> {
    let mut transaction = store.pools().begin().await?;
    let (written, new) = claim(&mut transaction, plans).await?;
    if new.is_empty() {
        return Ok(written);
    }
    write_contents(&mut transaction, &new).await?;
    write_counters(&mut transaction, &new).await?;
    transaction.commit().await?;
    for hash in new.iter().filter_map(|(_, plan)| plan.layout) {
        store.layouts().remember_stored(hash);
    }
    Ok(written)
}

/// Takes the run ids that are free, and compares contents where they are not.
async fn claim<'a>(
    transaction: &mut Transacting,
    plans: &[&'a Plan],
) -> Result<(Vec<Written>, Vec<New<'a>>), StoreError> {
    let mut first: BTreeMap<&str, &'a Plan> = BTreeMap::new();
    let mut rows = Vec::with_capacity(plans.len());
    for plan in plans {
        let run_id = plan.row.run_id.as_str();
        if !first.contains_key(run_id) {
            first.insert(run_id, plan);
            rows.push(&plan.row);
        }
    }
    let added: BTreeMap<String, i64> = runs::insert(transaction, &rows)
        .await?
        .into_iter()
        .map(|(id, run_id)| (run_id, id))
        .collect();
    let mut stored = contents_of_taken(transaction, &first, &added).await?;
    let mut written = Vec::with_capacity(plans.len());
    let mut new = Vec::new();
    for plan in plans {
        let run_id = plan.row.run_id.as_str();
        let hash = plan.row.content_hash;
        written.push(match (stored.get(run_id), added.get(run_id)) {
            (Some(known), _) if *known == hash.bytes() => Written::Unchanged,
            (None, Some(id)) => {
                new.push((*id, *plan));
                // The next of the same id in this batch meets a run that is there.
                stored.insert(run_id.to_owned(), hash.bytes().to_vec());
                Written::Created
            }
            _ => Written::Conflict,
        });
    }
    Ok((written, new))
}

async fn contents_of_taken(
    transaction: &mut Transacting,
    first: &BTreeMap<&str, &Plan>,
    added: &BTreeMap<String, i64>,
) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
    let taken = first.keys().filter(|run_id| !added.contains_key(**run_id));
    let taken: Vec<&str> = taken.copied().collect();
    let contents = runs::content_hashes(transaction, &taken).await?;
    Ok(contents.into_iter().collect())
}

async fn write_contents(transaction: &mut Transacting, new: &[New<'_>]) -> Result<(), StoreError> {
    let layouts: BTreeMap<Hash16, &[u8]> = new
        .iter()
        .filter_map(|(_, plan)| Some((plan.layout?, plan.new_layout.as_deref()?)))
        .collect();
    layouts::insert(transaction, &layouts.into_iter().collect::<Vec<_>>()).await?;
    let texts: BTreeMap<Hash16, &[u8]> = new
        .iter()
        .flat_map(|(_, plan)| plan.texts.iter())
        .map(|(hash, data)| (*hash, data.as_slice()))
        .collect();
    texts::insert(transaction, &texts.into_iter().collect::<Vec<_>>()).await?;
    let bodies: Vec<NewBody<'_>> = new
        .iter()
        .map(|(run, plan)| NewBody {
            run: *run,
            layout: plan.layout,
            columns: plan.columns.as_deref(),
            details: &plan.details,
        })
        .collect();
    bodies::insert(transaction, &bodies).await?;
    let rows: Vec<_> = new
        .iter()
        .flat_map(|(run, plan)| plan.failures.iter().map(|failure| (*run, failure)))
        .collect();
    failures::insert(transaction, &rows).await?;
    let rows: Vec<_> = new
        .iter()
        .flat_map(|(run, plan)| plan.case_failures.iter().map(|failure| (*run, failure)))
        .collect();
    case_failures::insert(transaction, &rows).await
}

/// Counters are written last, because other masters wait for them until this transaction ends.
async fn write_counters(transaction: &mut Transacting, new: &[New<'_>]) -> Result<(), StoreError> {
    let mut by_test: BTreeMap<(i64, i64), i64> = BTreeMap::new();
    let mut by_project: BTreeMap<&str, i64> = BTreeMap::new();
    let mut by_worker: BTreeMap<&str, WorkerRow> = BTreeMap::new();
    for (_, plan) in new {
        for test in &plan.failed {
            *by_test.entry((*test, plan.project)).or_default() += 1;
        }
        for test in &plan.failed_anywhere {
            *by_test.entry((*test, ALL_PROJECTS)).or_default() += 1;
        }
        *by_project.entry(&plan.row.project).or_default() += 1;
        let worker = by_worker
            .entry(&plan.row.worker_id)
            .or_insert_with(|| WorkerRow {
                worker_id: plan.row.worker_id.clone(),
                run_count: 0,
                pass_rate_sum: 0.0,
                last_seen_us: plan.row.received_us,
            });
        worker.run_count += 1;
        worker.pass_rate_sum += plan.row.pass_rate;
        worker.last_seen_us = worker.last_seen_us.max(plan.row.received_us);
    }
    let by_test: Vec<_> = by_test
        .into_iter()
        .map(|((test, scope), count)| (test, scope, count))
        .collect();
    failure_counts::add(transaction, &by_test).await?;
    let by_project: Vec<_> = by_project
        .into_iter()
        .map(|(name, count)| (name.to_owned(), count))
        .collect();
    projects::count_runs(transaction, &by_project).await?;
    workers::add(transaction, &by_worker.into_values().collect::<Vec<_>>()).await
}
