//! The cases of a run: columns, layout and nodeids put together again.

use std::sync::Arc;

use chrono::DateTime;
use shared::case::Case;

use crate::store::columns::{CaseColumns, Layout, Sections};
use crate::store::hash::Hash16;
use crate::store::{Store, StoreError, bodies, layouts};

/// Columns and layout of one run.
pub(super) struct RunCases {
    pub(super) layout: Arc<Layout>,
    pub(super) columns: CaseColumns,
}

impl RunCases {
    /// Reads the cases of a run, `None` when it came without any.
    pub(super) async fn read(store: &Store, run: i64) -> Result<Option<Self>, StoreError> {
        let body = bodies::columns(store, run).await?;
        let (Some(layout), Some(packed)) = (body.layout, body.columns) else {
            return Ok(None);
        };
        let hash = Hash16::from_stored(&layout)
            .ok_or_else(|| StoreError::damaged("layout", "its hash is not 16 bytes"))?;
        let layout = layouts::get(store, hash).await?;
        let columns = Sections::unpack(&packed)
            .and_then(|sections| CaseColumns::decode(&sections))
            .map_err(|error| StoreError::columns("columns", run, error))?;
        if columns.len() != layout.tests().len() {
            let reason = "its layout has another number of tests";
            return Err(StoreError::damaged(format!("columns of run {run}"), reason));
        }
        Ok(Some(Self { layout, columns }))
    }

    /// The case at a position.
    pub(super) fn case(&self, position: usize, nodeid: String) -> Case {
        let values = self.columns.case(position);
        let [setup, call, teardown] = values.phases;
        let [attempts, executions] = values.repeats;
        let [subtests_passed, subtests_failed, subtests_skipped] = values.subtests;
        Case {
            outcome: values.outcome,
            outcomes: values.outcomes.into_owned(),
            duration: values.duration,
            setup,
            call,
            teardown,
            attempts,
            executions,
            started_at: values.started_ms.and_then(DateTime::from_timestamp_millis),
            file: self.layout.file(position, &nodeid).map(str::to_owned),
            line: self.layout.line(position),
            markers: self.layout.markers(position).to_vec(),
            xdist_worker: values.xdist_worker.map(str::to_owned),
            memory_peak_kib: values.memory_peak_kib,
            message: values.message.map(str::to_owned),
            subtests_passed,
            subtests_failed,
            subtests_skipped,
            failures: None,
            nodeid,
        }
    }
}
