//! Taking the ids of whole runs.

use std::collections::BTreeMap;

use super::{Change, complete};
use crate::ingest::plan::Plan;
use crate::ingest::stream::Tallies;
use crate::ingest::work::Written;
use crate::store::engine::Transacting;
use crate::store::{StoreError, runs, streams};

/// Takes the run ids that are free, and compares contents where they are not. A run that goes on or
/// was lost is completed by its own worker.
pub(super) async fn all<'a>(
    transaction: &mut Transacting,
    plans: &[(usize, &'a Plan)],
    change: &mut Change<'a>,
    tallies: &mut Tallies,
) -> Result<Vec<(usize, Written)>, StoreError> {
    let mut first: BTreeMap<&str, &'a Plan> = BTreeMap::new();
    let mut rows = Vec::with_capacity(plans.len());
    for (_, plan) in plans {
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
    for (index, plan) in plans {
        let run_id = plan.row.run_id.as_str();
        let hash = plan.row.content_hash;
        let outcome = match (stored.get(run_id), added.get(run_id)) {
            (Some(known), _) if *known == hash.bytes() => Written::Unchanged { batches: 0 },
            (None, Some(id)) => {
                change.new.push((*id, plan));
                Written::Created { batches: 0 }
            }
            _ => complete_stream(transaction, plan, change, tallies).await?,
        };
        if matches!(outcome, Written::Created { .. }) {
            // The next of the same id in this batch meets a run that is there.
            stored.insert(run_id.to_owned(), hash.bytes().to_vec());
        }
        written.push((*index, outcome));
    }
    Ok(written)
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

/// The whole run replaces everything that its worker sent of it before.
async fn complete_stream<'a>(
    transaction: &mut Transacting,
    plan: &'a Plan,
    change: &mut Change<'a>,
    tallies: &mut Tallies,
) -> Result<Written, StoreError> {
    let stream = streams::lock(transaction, &plan.row.run_id).await?;
    let Some(stream) = stream.filter(|stream| stream.finish_hash.is_none()) else {
        return compare(transaction, plan).await;
    };
    if stream.worker_id != plan.row.worker_id {
        return Ok(Written::Conflict);
    }
    complete::replace(transaction, &stream, plan, change).await?;
    streams::remove(transaction, stream.run).await?;
    tallies.forget(stream.run);
    Ok(Written::Created { batches: 0 })
}

/// The run is whole. While its lock was waited for, another master may have stored this very content.
async fn compare(transaction: &mut Transacting, plan: &Plan) -> Result<Written, StoreError> {
    let contents = runs::content_hashes(transaction, &[plan.row.run_id.as_str()]).await?;
    let is_same = |(_, hash): &(String, Vec<u8>)| *hash == plan.row.content_hash.bytes();
    Ok(if contents.iter().any(is_same) {
        Written::Unchanged { batches: 0 }
    } else {
        Written::Conflict
    })
}
