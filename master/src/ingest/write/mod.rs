//! One transaction for much work: whole runs get one statement a table for all of them.

mod claim;
mod complete;
mod contents;
mod counters;
mod stream;

use super::plan::Plan;
use super::stream::Tallies;
use super::work::{Work, Written};
use crate::store::changes::{self, ChangeKind};
use crate::store::engine::Transacting;
use crate::store::{Store, StoreError};
use counters::Counted;

/// A run that gets its content, with its id.
type New<'a> = (i64, &'a Plan);

/// What one transaction has still to write.
#[derive(Debug, Default)]
struct Change<'a> {
    new: Vec<New<'a>>,
    counted: Counted,
    /// What listeners are told when it is committed, besides the new content.
    told: Vec<changes::Change>,
    /// Whether anything was written already.
    is_begun: bool,
}

impl Change<'_> {
    /// Tells listeners of a run once this is committed.
    fn tell(&mut self, kind: ChangeKind, id: i64) {
        self.told.push(changes::Change { kind, id });
    }
}

/// Writes everything or nothing; durable when it answers.
pub(super) async fn batch(
    store: &Store,
    works: &[&Work],
    tallies: &mut Tallies,
) -> Result<Vec<Written>, StoreError> {
    let mut transaction = store.pools().begin().await?;
    let mut change = Change::default();
    let written = write(&mut transaction, works, &mut change, tallies).await?;
    if change.new.is_empty() && !change.is_begun {
        return Ok(written);
    }
    contents::add(&mut transaction, &change.new).await?;
    let mut told = change.told;
    for new in &change.new {
        change.counted.add(new);
        let (kind, id) = (ChangeKind::Finished, new.0);
        told.push(changes::Change { kind, id });
    }
    change.counted.write(&mut transaction).await?;
    changes::commit(store, transaction, &told).await?;
    for hash in change.new.iter().filter_map(|(_, plan)| plan.layout) {
        store.layouts().remember_stored(hash);
    }
    Ok(written)
}

/// Whole runs first, all at once. Then the others, one after the other: sorted by run, so that two
/// masters wait for one another instead of blocking one another, and a run is closed only after
/// everything that was heard of it.
async fn write<'a>(
    transaction: &mut Transacting,
    works: &[&'a Work],
    change: &mut Change<'a>,
    tallies: &mut Tallies,
) -> Result<Vec<Written>, StoreError> {
    let mut written = vec![Written::Conflict; works.len()];
    let mut plans = Vec::new();
    let mut others = Vec::new();
    for (index, work) in works.iter().enumerate() {
        match work {
            Work::Save(plan) => plans.push((index, &**plan)),
            other => others.push((matches!(other, Work::Close(_)), work.run_id(), index)),
        }
    }
    for (index, outcome) in claim::all(transaction, &plans, change, tallies).await? {
        written[index] = outcome;
    }
    others.sort_unstable();
    for (_, _, index) in others {
        written[index] = stream::one(transaction, works[index], change, tallies).await?;
        change.is_begun = true;
    }
    Ok(written)
}
