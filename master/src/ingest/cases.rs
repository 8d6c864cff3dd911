//! A run's cases as columns, sorted by test.

use std::borrow::Cow;

use rustc_hash::FxHashMap;
use shared::case::NewCase;
use shared::limits;
use shared::text::cut;
use shared::validate::Invalid;

use super::prepare::{Prepared, duplicate};
use crate::store::columns::{
    CaseValues, LayoutItem, Sections, encode_cases, encode_layout, usual_outcomes,
};

/// The columns of a run.
pub(super) struct Columns {
    pub(super) layout: Sections,
    pub(super) cases: Sections,
    /// For each position in the layout, the position of its case among those sent.
    pub(super) order: Vec<usize>,
}

/// Builds the columns of a run whose tests have their ids.
pub(super) fn build(prepared: &Prepared, cases: &[NewCase]) -> Result<Columns, Invalid> {
    let ids = &prepared.tests.ids;
    let mut order: Vec<usize> = (0..cases.len()).collect();
    // Stable, and linear when the tests come in the order of their ids, as they mostly do.
    order.sort_by_key(|sent| ids[*sent]);
    for pair in order.windows(2) {
        if ids[pair[0]] == ids[pair[1]] {
            return Err(duplicate(pair[1], pair[0]));
        }
    }
    let layout: Vec<LayoutItem<'_>> = order
        .iter()
        .map(|sent| layout_item(&cases[*sent], ids[*sent]))
        .collect();
    let short: FxHashMap<usize, Cow<'_, str>> = order
        .iter()
        .filter_map(|sent| Some((*sent, long_message(&cases[*sent])?)))
        .map(|(sent, message)| (sent, cut(message, limits::MESSAGE_SHORT_BYTES_MAX)))
        .collect();
    let values: Vec<CaseValues<'_>> = order
        .iter()
        .map(|sent| values(&cases[*sent], short.get(sent).map(|text| &**text)))
        .collect();
    Ok(Columns {
        layout: encode_layout(&layout),
        cases: encode_cases(&values),
        order,
    })
}

/// The message of a case, when it is too long for the columns.
pub(super) fn long_message(case: &NewCase) -> Option<&str> {
    let message = case.message.as_deref()?;
    (message.len() > limits::MESSAGE_SHORT_BYTES_MAX).then_some(message)
}

fn layout_item(case: &NewCase, test: i64) -> LayoutItem<'_> {
    LayoutItem {
        test,
        nodeid: &case.nodeid,
        file: case.file.as_deref(),
        line: case.line,
        markers: &case.markers,
    }
}

fn values<'a>(case: &'a NewCase, short_message: Option<&'a str>) -> CaseValues<'a> {
    CaseValues {
        outcome: case.outcome,
        outcomes: Cow::Borrowed(
            case.outcomes
                .as_deref()
                .unwrap_or_else(|| usual_outcomes(case.outcome)),
        ),
        phases: [case.setup, case.call, case.teardown],
        duration: case.duration,
        started_ms: case.started_at.map(|moment| moment.timestamp_millis()),
        xdist_worker: case.xdist_worker.as_deref(),
        memory_peak_kib: case.memory_peak_kib,
        repeats: [case.attempts, case.executions],
        subtests: [
            case.subtests_passed,
            case.subtests_failed,
            case.subtests_skipped,
        ],
        message: short_message.or(case.message.as_deref()),
    }
}
