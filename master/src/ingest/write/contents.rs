//! The rows of runs: bodies, layouts, failures and their texts.

use std::collections::BTreeMap;

use super::New;
use crate::store::bodies::{self, NewBody};
use crate::store::engine::Transacting;
use crate::store::hash::Hash16;
use crate::store::{StoreError, case_failures, failures, layouts, texts};

/// Adds the contents of runs that have none.
pub(super) async fn add(transaction: &mut Transacting, new: &[New<'_>]) -> Result<(), StoreError> {
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

/// Forgets the content of a run; its row stays.
pub(super) async fn remove(transaction: &mut Transacting, run: i64) -> Result<(), StoreError> {
    case_failures::remove(transaction, run).await?;
    failures::remove(transaction, run).await?;
    bodies::remove(transaction, run).await
}
