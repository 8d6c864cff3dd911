//! A disk that is really full: under the master's database, and under the worker's journal.

use std::path::Path;

use anyhow::Result;

use crate::audit::{Audit, Stage};
use crate::book::{Book, Entry};
use crate::ledger::Row;
use crate::stage::client::Client;
use crate::stage::database::check_sqlite;
use crate::stage::small_disk::SmallDisk;
use crate::stage::suite::Shape;
use crate::stage::{Launch, Master, Setting, Suite, Worker, make_folder};

/// Rounds of the short form, for the store and for the journal.
const STORE_ROUNDS_MIN: u64 = 1;
const JOURNAL_ROUNDS_MIN: u64 = 2;
/// Size of the disk under a database, and what is left of it at the beginning.
const STORE_SIZE: &str = "5m";
const STORE_BYTES_LEFT: u64 = 2_500_000;
/// Size of the disk under a journal, and the most that is left of it at the beginning.
const JOURNAL_SIZE: &str = "1m";
const JOURNAL_BYTES_LEFT_MAX: u64 = 16_000;
/// Runs refused in a row after which the disk counts as full.
const REFUSED_IN_A_ROW: usize = 4;
/// Most pairs of runs that are sent to fill the disk.
const PAIRS_MAX: usize = 2_000;

/// Fills the disk with results until the master refuses them, makes room, and kills.
pub(super) fn store(setting: &Setting, row: &mut Row) -> Result<()> {
    while setting.goes_on(row.rounds, STORE_ROUNDS_MIN, 10) {
        store_round(setting, row)?;
        row.rounds += 1;
    }
    Ok(())
}

fn store_round(setting: &Setting, row: &mut Row) -> Result<()> {
    let disk = SmallDisk::make(
        &setting.folder.join(format!("disk-{}", row.rounds)),
        STORE_SIZE,
    )?;
    if row.rounds == 0 {
        row.note(disk.how);
    }
    disk.fill(STORE_BYTES_LEFT)?;
    let file = disk.folder.join("results.db");
    let mut launch = Launch::plain(setting, format!("sqlite://{}", file.display()));
    launch.prefix = disk.prefix(&setting.folder);
    let mut master = Master::start(launch)?;
    let book = Book::default();
    let random = setting.random(row.rounds);
    let mut client = Client::new(&master.url, "client", &book, random);
    client.tries_max = 1;
    let mut refused = 0;
    for pair in 0..PAIRS_MAX {
        let before = saved(&book);
        for wrong in client.both_ways(&format!("pair-{pair}")) {
            row.wrong(wrong);
        }
        refused = if saved(&book) == before {
            refused + 1
        } else {
            0
        };
        if refused == REFUSED_IN_A_ROW {
            break;
        }
    }
    if refused < REFUSED_IN_A_ROW {
        row.wrong("the disk never got full");
    }
    // What is there can be read from a full disk.
    Audit::of(&master.url)?.runs(&book.copy(), Stage::UnderWay, row)?;
    disk.empty()?;
    client.tries_max = 200;
    let before = saved(&book);
    for wrong in client.both_ways("with-room") {
        row.wrong(wrong);
    }
    if saved(&book) != before + 2 {
        row.wrong(format!("no runs taken with room again: {}", master.said()));
    }
    master.kill()?;
    master.start_again()?;
    Audit::of(&master.url)?.runs(&book.copy(), Stage::Stopped, row)?;
    master.kill()?;
    check_outside(&disk, &setting.folder, row)
}

/// The database's own check, on a copy: SQLite cannot be led into another mount name space.
fn check_outside(disk: &SmallDisk, folder: &Path, row: &mut Row) -> Result<()> {
    let copy = make_folder(&folder.join("copy"))?;
    for entry in std::fs::read_dir(disk.seen_from_outside())? {
        let entry = entry?;
        if entry.file_name() != "results.db-shm" {
            std::fs::copy(entry.path(), copy.join(entry.file_name()))?;
        }
    }
    for said in check_sqlite(&copy.join("results.db"))? {
        row.wrong(said);
    }
    std::fs::remove_dir_all(&copy)?;
    Ok(())
}

fn saved(book: &Book) -> usize {
    book.copy().values().filter(|entry| entry.saved).count()
}

/// Runs pytest with hardly any room for the journal, with a master and without one.
pub(super) fn journal(setting: &Setting, row: &mut Row) -> Result<()> {
    let file = setting.folder.join("results.db");
    let url = format!("sqlite://{}", file.display());
    let mut master = Master::start(Launch::plain(setting, url))?;
    let shape = Shape {
        tests: 30,
        sleep_ms: 5,
        processes: 0,
        failures: true,
    };
    let suite = Suite::write(&setting.folder.join("suite"), shape, &mut setting.random(0))?;
    let disk = SmallDisk::make(&setting.folder.join("disk"), JOURNAL_SIZE)?;
    row.note(disk.how);
    let mut not_kept = 0;
    while setting.goes_on(row.rounds, JOURNAL_ROUNDS_MIN, u64::MAX) {
        not_kept += u64::from(!journal_round(setting, row, &master, &suite, &disk)?);
        row.rounds += 1;
    }
    row.note(format!(
        "runs that said loudly that they are NOT kept: {not_kept}"
    ));
    master.end()
}

/// Answers whether the run was uploaded or kept.
fn journal_round(
    setting: &Setting,
    row: &mut Row,
    master: &Master,
    suite: &Suite,
    disk: &SmallDisk,
) -> Result<bool> {
    let mut random = setting.random(row.rounds);
    let run_id = format!("run-{}", row.rounds);
    let folder = setting.folder.join(&run_id);
    let mut well = Worker::new(setting, &master.url, &folder)?;
    well.prefix = disk.prefix(&suite.folder);
    well.state = disk.folder.join("state");
    if row.rounds % 4 < 2 {
        well.have_no_other_place()?;
    }
    disk.fill(random.below(JOURNAL_BYTES_LEFT_MAX))?;
    let mut worker = well.clone();
    if row.rounds.is_multiple_of(2) {
        worker.reach_nobody();
    }
    let book = Book::default();
    let entry = Entry::of_suite(&worker.name, &suite.expected);
    book.intend(&run_id, entry);
    let wrongs = row.wrongs.len();
    let ended = worker.run(suite, &run_id)?;
    disk.empty()?;
    if let Some(why) = ended.unlike(suite) {
        row.wrong(format!("{run_id}: {why}"));
    }
    if let Err(error) = well.flush() {
        row.wrong(format!("{run_id}: {error:#}"));
    }
    let kept = ended.uploaded() || !ended.says_not_kept();
    if kept {
        book.saved(&run_id);
    }
    Audit::of(&master.url)?.runs(&book.copy(), Stage::Stopped, row)?;
    if row.wrongs.len() > wrongs {
        row.wrong(format!(
            "the lines above: it said: {}",
            ended.closing_line()
        ));
    }
    Ok(kept)
}
