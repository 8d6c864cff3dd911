//! The Nth write, sync, open or truncation of the master's database fails: once, or from then on.

use std::path::Path;

use anyhow::{Context, Result};

use crate::audit::{Audit, Stage};
use crate::book::Book;
use crate::ledger::Row;
use crate::stage::client::Client;
use crate::stage::coverage::{self, Case};
use crate::stage::database::check_sqlite;
use crate::stage::shim::{Failure, Shim};
use crate::stage::{Launch, Master, Setting, make_folder};

/// Rounds of the short form.
const ROUNDS_MIN: u64 = 12;
/// How often a client tries a request while the disk fails.
const TRIES_MAX: u64 = 3;
/// The database's file.
const FILE: &str = "results.db";

/// What fails: each once, and from the Nth on.
const FAILURES: [Failure; 8] = [
    Failure::new("write EIO once", "w", "EIO", 1, false),
    Failure::new("torn write EIO from then on", "w", "EIO", 0, true),
    Failure::new("torn write ENOSPC once", "w", "ENOSPC", 1, true),
    Failure::new("write ENOSPC from then on", "w", "ENOSPC", 0, false),
    Failure::new("sync EIO once", "s", "EIO", 1, false),
    Failure::new("sync EIO from then on", "s", "EIO", 0, false),
    Failure::new("open EIO once", "o", "EIO", 1, false),
    Failure::new("truncate EIO from then on", "t", "EIO", 0, false),
];

/// Breaks the disk in every way that there is time for.
pub(super) fn run(setting: &Setting, row: &mut Row) -> Result<()> {
    let shim = Shim::build(&setting.folder)?;
    let template = setting.folder("template")?;
    let before = Book::default();
    fill(setting, &template, &before, row)?;
    let mut seen = Vec::new();
    for failure in FAILURES {
        let clean = one(setting, &shim, &template, &before, failure, 0, row)?;
        seen.push(clean.seen);
    }
    if seen.iter().all(|&calls| calls == 0) {
        row.wrong("the shim saw no call at all");
    }
    let mut tried = [0; FAILURES.len()];
    for Case { failure, nth } in coverage::rounds(&seen, &mut setting.random(0)) {
        if !setting.goes_on(row.rounds, ROUNDS_MIN, u64::MAX) {
            break;
        }
        let outcome = one(
            setting,
            &shim,
            &template,
            &before,
            FAILURES[failure],
            nth,
            row,
        )?;
        tried[failure] += u64::from(outcome.failed > 0);
        row.rounds += 1;
    }
    row.note(coverage::said(&FAILURES, &seen, &tried));
    Ok(())
}

/// What the shim counted.
struct Outcome {
    seen: u64,
    failed: u64,
}

/// A database with some runs, to begin every round with.
fn fill(setting: &Setting, folder: &Path, book: &Book, row: &mut Row) -> Result<()> {
    let mut master = Master::start(launch(setting, folder))?;
    talk(setting, &master, book, "before", row);
    master.end()
}

fn one(
    setting: &Setting,
    shim: &Shim,
    template: &Path,
    before: &Book,
    failure: Failure,
    nth: u64,
    row: &mut Row,
) -> Result<Outcome> {
    let folder = make_folder(&setting.folder.join("disk"))?;
    std::fs::copy(template.join(FILE), folder.join(FILE)).context("cannot copy the database")?;
    let book = Book::with(before.copy());
    let wrongs = row.wrongs.len();
    let failing = shim.fail(&folder, failure, nth)?;
    let mut failing_launch = launch(setting, &folder);
    failing_launch.variables.clone_from(&failing.variables);
    // One that does not start says so, and has promised nothing.
    if let Ok(mut master) = Master::start(failing_launch) {
        talk(setting, &master, &book, "during", row);
        look_while_it_fails(&master, &book, row);
        master.kill()?;
    }
    let (seen, failed) = failing.counts()?;
    after(setting, &folder, &book, row)?;
    if row.wrongs.len() > wrongs {
        row.wrong(format!("the lines above: {}, call {nth}", failure.name));
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(Outcome { seen, failed })
}

/// Answers may be refused while the disk fails; those that are given have to be right.
fn look_while_it_fails(master: &Master, book: &Book, row: &mut Row) {
    if let Ok(mut audit) = Audit::of(&master.url) {
        let _ = audit.runs(&book.copy(), Stage::UnderWay, row);
    }
}

/// The disk is well again.
fn after(setting: &Setting, folder: &Path, book: &Book, row: &mut Row) -> Result<()> {
    let mut master = match Master::start(launch(setting, folder)) {
        Ok(master) => master,
        Err(error) => {
            row.wrong(format!("no start on a disk that is well again: {error:#}"));
            return Ok(());
        }
    };
    let mut audit = Audit::of(&master.url)?;
    audit.runs(&book.copy(), Stage::Stopped, row)?;
    talk(setting, &master, book, "after", row);
    for (run_id, entry) in book.copy() {
        if run_id.starts_with("after") && !entry.saved {
            row.wrong(format!("{run_id}: not taken by a disk that is well again"));
        }
    }
    master.end()?;
    for said in check_sqlite(&folder.join(FILE))? {
        row.wrong(said);
    }
    Ok(())
}

fn talk(setting: &Setting, master: &Master, book: &Book, name: &str, row: &mut Row) {
    let mut client = Client::new(&master.url, "client", book, setting.random(7));
    client.tries_max = TRIES_MAX;
    for wrong in client.both_ways(name) {
        row.wrong(wrong);
    }
}

fn launch(setting: &Setting, folder: &Path) -> Launch {
    let file = folder.join(FILE);
    Launch::plain(setting, format!("sqlite://{}", file.display()))
}
