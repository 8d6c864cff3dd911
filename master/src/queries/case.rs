//! What became of one test in one run, with everything that went wrong in it?

use rustc_hash::FxHashMap;
use shared::case::{Case, CaseFailure};
use shared::outcome::Outcome;

use super::case_values::RunCases;
use super::live_cases::LiveCases;
use crate::store::case_failures::{self, CaseFailureRow};
use crate::store::hash::Hash16;
use crate::store::{Store, StoreError, dictionary, failures, projects, runs, texts};

/// Texts by hash.
type Texts = FxHashMap<Vec<u8>, String>;

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub enum FoundCase {
    /// There is no run with this id.
    UnknownRun,
    /// The run has no case of this nodeid.
    UnknownCase,
    /// The case, `failures` filled in.
    Found(Box<Case>),
}

/// One case of a run.
pub async fn get(store: &Store, run_id: &str, nodeid: &str) -> Result<FoundCase, StoreError> {
    let Some((run, project)) = runs::key(store, run_id).await? else {
        return Ok(FoundCase::UnknownRun);
    };
    if let Some(cases) = RunCases::read(store, run).await? {
        return stored(store, run, &project, nodeid, &cases).await;
    }
    // Nothing is stored of it: it goes on, or came without cases.
    let live = LiveCases::find(store, run).await?;
    if let Some(case) = live.case(store, nodeid).await? {
        return Ok(FoundCase::Found(Box::new(case)));
    }
    // Batches become columns when a run ends, so it may have ended in between.
    match RunCases::read(store, run).await? {
        Some(cases) => stored(store, run, &project, nodeid, &cases).await,
        None => Ok(FoundCase::UnknownCase),
    }
}

async fn stored(
    store: &Store,
    run: i64,
    project: &str,
    nodeid: &str,
    cases: &RunCases,
) -> Result<FoundCase, StoreError> {
    let Some(test) = test(store, project, nodeid).await? else {
        return Ok(FoundCase::UnknownCase);
    };
    let Some(position) = cases.layout.position(test) else {
        return Ok(FoundCase::UnknownCase);
    };
    let mut case = cases.case(position, nodeid.to_owned());
    make_exact(store, run, position as i64, &mut case).await?;
    case.failures = Some(failures_of(store, run, position as i64).await?);
    Ok(FoundCase::Found(Box::new(case)))
}

async fn test(store: &Store, project: &str, nodeid: &str) -> Result<Option<i64>, StoreError> {
    let Some(project) = projects::id(store, project).await? else {
        return Ok(None);
    };
    let found = dictionary::ids(store, project, &[Hash16::of(nodeid.as_bytes())]).await?;
    Ok(found.first().map(|(_, id)| *id))
}

/// Replaces what the columns hold roughly by what a bad case's row holds exactly.
async fn make_exact(
    store: &Store,
    run: i64,
    position: i64,
    case: &mut Case,
) -> Result<(), StoreError> {
    let Some(exact) = failures::at(store, run, position).await? else {
        return Ok(());
    };
    case.duration = exact.duration_s;
    case.setup = exact.setup_s;
    case.call = exact.call_s;
    case.teardown = exact.teardown_s;
    if let Some(hash) = exact.message {
        let found = texts::get(store, std::slice::from_ref(&hash)).await?;
        case.message = Some(take(&found, Some(&hash))?);
    }
    Ok(())
}

async fn failures_of(
    store: &Store,
    run: i64,
    position: i64,
) -> Result<Vec<CaseFailure>, StoreError> {
    let rows = case_failures::at(store, run, position).await?;
    let mut hashes: Vec<Vec<u8>> = rows.iter().flat_map(hashes).flatten().cloned().collect();
    hashes.sort_unstable();
    hashes.dedup();
    let known = texts::get(store, &hashes).await?;
    rows.iter().map(|row| failure(row, &known)).collect()
}

fn hashes(row: &CaseFailureRow) -> [Option<&Vec<u8>>; 5] {
    [
        row.message.as_ref(),
        row.traceback.as_ref(),
        row.stdout.as_ref(),
        row.stderr.as_ref(),
        row.log.as_ref(),
    ]
}

fn failure(row: &CaseFailureRow, known: &Texts) -> Result<CaseFailure, StoreError> {
    let outcome = row.outcome.map(|code| {
        let outcome = u8::try_from(code).ok().and_then(Outcome::from_code);
        outcome.ok_or_else(|| StoreError::damaged("outcome", format!("{code} is none")))
    });
    Ok(CaseFailure {
        phase: String::from_utf8_lossy(&row.phase).into_owned(),
        outcome: outcome.transpose()?,
        context: row
            .context
            .as_ref()
            .map(|text| String::from_utf8_lossy(text).into_owned()),
        message: take(known, row.message.as_ref())?,
        traceback: take(known, row.traceback.as_ref())?,
        stdout: take(known, row.stdout.as_ref())?,
        stderr: take(known, row.stderr.as_ref())?,
        log: take(known, row.log.as_ref())?,
    })
}

/// The text with a hash; no hash is the empty text.
fn take(known: &Texts, hash: Option<&Vec<u8>>) -> Result<String, StoreError> {
    let Some(hash) = hash else {
        return Ok(String::new());
    };
    let text = known.get(hash).cloned();
    text.ok_or_else(|| StoreError::damaged("text", "it is missing"))
}
