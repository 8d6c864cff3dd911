//! Everything that one run will write, ready for the writer. Built beside the writer, on as many
//! cores as there are.

use rustc_hash::FxHashMap;
use shared::case::NewCase;

use super::cases::{self, Columns};
use super::content_hash::{self, Content};
use super::error::IngestError;
use super::normalise::NormalRun;
use super::prepare::Prepared;
use crate::store::case_failures::NewCaseFailure;
use crate::store::failures::NewFailure;
use crate::store::hash::Hash16;
use crate::store::layouts::LayoutCache;
use crate::store::runs::NewRunRow;
use crate::store::texts;

/// What one run writes.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) row: NewRunRow,
    /// Whether the client said when the run was.
    pub(super) has_timestamp: bool,
    pub(super) details: Vec<u8>,
    pub(super) layout: Option<Hash16>,
    /// The layout itself, unless it is known to be stored.
    pub(super) new_layout: Option<Vec<u8>>,
    pub(super) columns: Option<Vec<u8>>,
    pub(super) failures: Vec<NewFailure>,
    pub(super) case_failures: Vec<NewCaseFailure>,
    pub(super) texts: FxHashMap<Hash16, Vec<u8>>,
    /// Tests that failed, in the project's dictionary; each once.
    pub(super) failed: Vec<i64>,
    /// The same in the dictionary of all projects.
    pub(super) failed_anywhere: Vec<i64>,
    /// The project's id.
    pub(super) project: i64,
}

impl Plan {
    /// Roughly how much this will write.
    pub(super) fn bytes(&self) -> usize {
        let columns = self.columns.as_ref().map_or(0, Vec::len);
        let layout = self.new_layout.as_ref().map_or(0, Vec::len);
        let texts: usize = self.texts.values().map(Vec::len).sum();
        let rows = 100 * (self.failures.len() + self.case_failures.len());
        columns + layout + texts + rows + self.details.len()
    }
}

/// Texts by hash, and the rows that name them.
#[derive(Default)]
struct Failures {
    rows: Vec<NewFailure>,
    inside: Vec<NewCaseFailure>,
    texts: FxHashMap<Hash16, Vec<u8>>,
}

impl Failures {
    /// Keeps a text; an empty one needs no keeping.
    fn text(&mut self, text: &str) -> Option<Hash16> {
        if text.is_empty() {
            return None;
        }
        let hash = Hash16::of(text.as_bytes());
        self.texts
            .entry(hash)
            .or_insert_with(|| texts::pack(text.as_bytes()));
        Some(hash)
    }

    fn case(&mut self, position: i64, test: i64, case: &NewCase) {
        let long = cases::long_message(case);
        if case.outcome.is_bad() || long.is_some() {
            let phases_s = [case.setup, case.call, case.teardown];
            let sum = phases_s.iter().flatten().sum();
            let any = phases_s.iter().any(Option::is_some);
            let message = long.and_then(|message| self.text(message));
            self.rows.push(NewFailure {
                position,
                test,
                listed: case.outcome.is_bad(),
                duration_s: case.duration.or_else(|| any.then_some(sum)),
                phases_s,
                message,
            });
        }
        for (ordinal, failure) in case.failures.iter().enumerate() {
            let said = [
                &failure.message,
                &failure.traceback,
                &failure.stdout,
                &failure.stderr,
                &failure.log,
            ];
            let texts = said.map(|text| self.text(text));
            self.inside.push(NewCaseFailure {
                position,
                ordinal: ordinal as i64,
                phase: failure.phase.clone(),
                outcome: failure.outcome.map(|outcome| outcome as u8),
                context: failure.context.clone(),
                texts,
            });
        }
    }
}

/// Builds the plan of a run whose tests have their ids.
pub(super) fn build(prepared: Prepared, layouts: &LayoutCache) -> Result<Plan, IngestError> {
    let columns = match &prepared.run.cases {
        Some(cases) => Some(cases::build(&prepared, cases)?),
        None => None,
    };
    let failures = failures(&prepared, columns.as_ref());
    let layout = columns.as_ref().map(layout_hash);
    let details = prepared.run.details.to_bytes()?;
    let content = Content {
        details: &details,
        layout,
        columns: columns.as_ref().map(|columns| &columns.cases),
        failures: &failures.rows,
        case_failures: &failures.inside,
    };
    let content_hash = content_hash::of(&prepared.run, &content);
    let is_new = |hash: &Hash16| !layouts.is_stored(*hash);
    Ok(Plan {
        details: texts::pack(&details),
        layout,
        new_layout: layout
            .filter(is_new)
            .and(columns.as_ref())
            .map(|columns| columns.layout.pack()),
        columns: columns.map(|columns| columns.cases.pack()),
        failures: failures.rows,
        case_failures: failures.inside,
        texts: failures.texts,
        failed: prepared
            .bad
            .iter()
            .map(|at| prepared.tests.ids[*at])
            .collect(),
        failed_anywhere: prepared.bad_tests.ids,
        project: prepared.project,
        has_timestamp: prepared.run.has_timestamp,
        row: row(prepared.run, content_hash),
    })
}

fn row(run: NormalRun, content_hash: Hash16) -> NewRunRow {
    NewRunRow {
        content_hash,
        ..run.row
    }
}

fn layout_hash(columns: &Columns) -> Hash16 {
    let mut hasher = blake3::Hasher::new();
    columns.layout.feed(&mut hasher);
    Hash16::from(hasher.finalize())
}

fn failures(prepared: &Prepared, columns: Option<&Columns>) -> Failures {
    let mut failures = Failures::default();
    let ids = &prepared.tests.ids;
    if let (Some(cases), Some(columns)) = (&prepared.run.cases, columns) {
        for (position, sent) in columns.order.iter().enumerate() {
            failures.case(position as i64, ids[*sent], &cases[*sent]);
        }
        return failures;
    }
    for (position, failure) in prepared.run.failures.iter().enumerate() {
        let message = failures.text(&failure.message);
        failures.rows.push(NewFailure {
            position: position as i64,
            test: ids[position],
            listed: true,
            duration_s: Some(failure.duration),
            phases_s: [None; 3],
            message,
        });
    }
    failures
}
