//! The Nth write, sync, open or rename of the worker's journal fails: once, or from then on.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::audit::{Audit, Stage};
use crate::book::{Book, Entry};
use crate::ledger::Row;
use crate::stage::coverage::{self, Case};
use crate::stage::shim::{Failure, Shim};
use crate::stage::suite::Shape;
use crate::stage::{Database, Launch, Master, Setting, Suite, Worker, make_folder};

/// Rounds of the short form.
const ROUNDS_MIN: u64 = 7;

/// What fails: each once, and from the Nth on.
const FAILURES: [Failure; 7] = [
    Failure::new("write EIO once", "w", "EIO", 1, false),
    Failure::new("torn write EIO from then on", "w", "EIO", 0, true),
    Failure::new("torn write ENOSPC once", "w", "ENOSPC", 1, true),
    Failure::new("write ENOSPC from then on", "w", "ENOSPC", 0, false),
    Failure::new("sync EIO from then on", "s", "EIO", 0, false),
    Failure::new("open EIO once", "or", "EIO", 1, false),
    Failure::new("open ENOSPC from then on", "ort", "ENOSPC", 0, false),
];

/// What all rounds share.
struct Scene<'a> {
    setting: &'a Setting,
    shim: Shim,
    suite: Suite,
    master: Master,
}

/// How the disk is broken in one round.
#[derive(Debug, Clone, Copy)]
struct Way {
    failure: Failure,
    nth: u64,
    /// Whether journals could go elsewhere.
    another_place: bool,
    /// Whether the worker reaches the master.
    reached: bool,
}

/// Breaks the disk in every way that there is time for, with a master and without one.
pub(super) fn run(setting: &Setting, row: &mut Row) -> Result<()> {
    let database = Database::make(setting.engine, &setting.folder)?;
    let shape = Shape {
        tests: 12,
        sleep_ms: 10,
        processes: 0,
        failures: true,
    };
    let mut random = setting.random(0);
    let mut scene = Scene {
        setting,
        shim: Shim::build(&setting.folder)?,
        suite: Suite::write(&setting.folder.join("suite"), shape, &mut random)?,
        master: Master::start(Launch::plain(setting, database.url()))?,
    };
    let mut seen = Vec::new();
    let mut by_calls = BTreeMap::new();
    for failure in FAILURES {
        if let Some(&known) = by_calls.get(failure.calls) {
            seen.push(known);
            continue;
        }
        let way = Way {
            failure,
            nth: 0,
            another_place: false,
            reached: false,
        };
        let (calls, ..) = scene.one(way, &format!("clean-{}", seen.len()), row)?;
        by_calls.insert(failure.calls, calls);
        seen.push(calls);
    }
    if seen.iter().all(|&calls| calls == 0) {
        row.wrong("the shim saw no call at all");
    }
    let mut tried = [0; FAILURES.len()];
    let mut not_kept = 0;
    for Case { failure, nth } in coverage::rounds(&seen, &mut random) {
        if !setting.goes_on(row.rounds, ROUNDS_MIN, u64::MAX) {
            break;
        }
        let way = Way {
            failure: FAILURES[failure],
            nth,
            another_place: random.below(3) == 0,
            reached: random.below(3) == 0,
        };
        let (_, failed, kept) = scene.one(way, &format!("run-{}", row.rounds), row)?;
        tried[failure] += u64::from(failed > 0);
        not_kept += u64::from(!kept);
        row.rounds += 1;
    }
    row.note(coverage::said(&FAILURES, &seen, &tried));
    row.note(format!(
        "runs that said loudly that they are NOT kept: {not_kept}"
    ));
    scene.master.end()
}

impl Scene<'_> {
    /// One run on such a disk. Answers with the calls that were seen, those that failed, and whether
    /// the run was kept or uploaded.
    fn one(&mut self, way: Way, run_id: &str, row: &mut Row) -> Result<(u64, u64, bool)> {
        let disk = make_folder(&self.setting.folder.join("disk"))?;
        let well = Worker::new(self.setting, &self.master.url, &disk)?;
        if !way.another_place {
            well.have_no_other_place()?;
        }
        let failing = self.shim.fail(&well.state, way.failure, way.nth)?;
        let mut worker = well.clone();
        worker.variables.clone_from(&failing.variables);
        if !way.reached {
            worker.reach_nobody();
        }
        let book = Book::default();
        let entry = Entry::of_suite(&worker.name, &self.suite.expected);
        book.intend(run_id, entry);
        let wrongs = row.wrongs.len();
        let ended = worker.run(&self.suite, run_id)?;
        let (seen, failed) = failing.counts()?;
        if let Some(why) = ended.unlike(&self.suite) {
            row.wrong(format!("{run_id}: {why}"));
        }
        // The disk is well again, and the master is there.
        if let Err(error) = well.flush() {
            row.wrong(format!("{run_id}: {error:#}"));
        }
        let kept = ended.uploaded() || !ended.says_not_kept();
        if kept {
            book.saved(run_id);
        }
        Audit::of(&self.master.url)?.runs(&book.copy(), Stage::Stopped, row)?;
        if row.wrongs.len() > wrongs {
            row.wrong(format!(
                "the lines above: {}, call {}, another place {}, master reached {}; it said: {}",
                way.failure.name,
                way.nth,
                way.another_place,
                way.reached,
                ended.closing_line()
            ));
        }
        std::fs::remove_dir_all(&disk)?;
        Ok((seen, failed, kept))
    }
}
