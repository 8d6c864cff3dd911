//! Giving a run that went on its content.

use super::{Change, contents};
use crate::ingest::plan::Plan;
use crate::store::engine::Transacting;
use crate::store::streams::StreamRow;
use crate::store::{StoreError, runs};
use shared::status::RunStatus;

/// Puts a whole run in the place of what is known so far. Id, run id and moment of receipt stay.
pub(super) async fn replace<'a>(
    transaction: &mut Transacting,
    stream: &StreamRow,
    plan: &'a Plan,
    change: &mut Change<'a>,
) -> Result<(), StoreError> {
    if is_lost(stream) {
        change.counted.take_back(transaction, stream).await?;
    }
    contents::remove(transaction, stream.run).await?;
    runs::replace(transaction, stream.run, &plan.row, plan.has_timestamp).await?;
    change.new.push((stream.run, plan));
    Ok(())
}

/// Whether the run was closed because its worker went silent.
pub(super) fn is_lost(stream: &StreamRow) -> bool {
    stream.status == RunStatus::Lost.as_str()
}
