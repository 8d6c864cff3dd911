//! `kill -9` of the master, of a part of the database or of the whole database, under load.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use xtask::random::Random;
use xtask::{descendants, http};

use crate::audit::{Audit, Stage};
use crate::book::Book;
use crate::ledger::Row;
use crate::stage::crowd::{self, Crowd};
use crate::stage::master::SILENCE_MAX_S;
use crate::stage::{Database, Launch, Master, Setting};

/// Rounds of the short form, for the master and for the database.
const MASTER_ROUNDS_MIN: u64 = 5;
const DATABASE_ROUNDS_MIN: u64 = 3;
/// Rounds of the long form.
const ROUNDS_MAX: u64 = 50;
/// Longest time of load before a kill, in milliseconds.
const LOAD_MS_MAX: u64 = 1_200;
/// Longest time that the killed thing stays away, in milliseconds.
const AWAY_MS_MAX: u64 = 400;
/// How long a master may take until it answers again.
const RECOVERY_TIME_MAX: Duration = Duration::from_mins(1);
/// How long runs of clients that gave up may take until they are lost.
const LOST_TIME_MAX: Duration = Duration::from_secs(SILENCE_MAX_S + 30);

/// What is killed in each round.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Master,
    Backend,
    Database,
}

/// The master.
pub(super) fn master(setting: &Setting, row: &mut Row) -> Result<()> {
    story(setting, row, Victim::Master)
}

/// One of the processes through which PostgreSQL serves the master.
pub(super) fn backend(setting: &Setting, row: &mut Row) -> Result<()> {
    story(setting, row, Victim::Backend)
}

/// PostgreSQL with all that belongs to it; every other time the master along with it.
pub(super) fn database(setting: &Setting, row: &mut Row) -> Result<()> {
    story(setting, row, Victim::Database)
}

fn story(setting: &Setting, row: &mut Row, victim: Victim) -> Result<()> {
    let mut database = Database::make(setting.engine, &setting.folder)?;
    let mut master = Master::start(Launch::plain(setting, database.url()))?;
    let url = master.url.clone();
    let book = Book::default();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let crowd = Crowd::new(setting, &url, &book, &stop).start(scope);
        let outcome = rounds(setting, row, victim, &mut database, &mut master, &book);
        stop.store(true, Ordering::Release);
        outcome.and(crowd.finish(row))
    })?;
    crowd::flush(setting, &url, row)?;
    // Everybody's run has ended and what was kept was flushed, so the master has to have all.
    for (run_id, entry) in book.copy() {
        if entry.worker_id.starts_with("worker-") {
            book.saved(&run_id);
        }
    }
    wait_until_nobody_runs(&url)?;
    let mut audit = Audit::of(&url)?;
    let entries = book.copy();
    let real = entries.values();
    let real = real.filter(|entry| entry.worker_id.starts_with("worker-"));
    row.note(format!("{} of the runs are of real workers", real.count()));
    audit.runs(&entries, Stage::AtTheEnd, row)?;
    audit.lists_and_counters(&entries, row)?;
    master.end()?;
    for said in database.check()? {
        row.wrong(said);
    }
    Ok(())
}

fn rounds(
    setting: &Setting,
    row: &mut Row,
    victim: Victim,
    database: &mut Database,
    master: &mut Master,
    book: &Book,
) -> Result<()> {
    let rounds_min = match victim {
        Victim::Master => MASTER_ROUNDS_MIN,
        Victim::Backend | Victim::Database => DATABASE_ROUNDS_MIN,
    };
    while setting.goes_on(row.rounds, rounds_min, ROUNDS_MAX) {
        let mut random = setting.random(row.rounds);
        std::thread::sleep(Duration::from_millis(100 + random.below(LOAD_MS_MAX)));
        strike(victim, row.rounds, &mut random, database, master)?;
        row.rounds += 1;
        // What was acknowledged before the kill is there now; the last look is at everything.
        Audit::of(&master.url)?.runs(&book.news(), Stage::UnderWay, row)?;
    }
    Ok(())
}

fn strike(
    victim: Victim,
    round: u64,
    random: &mut Random,
    database: &mut Database,
    master: &mut Master,
) -> Result<()> {
    let away = Duration::from_millis(random.below(AWAY_MS_MAX));
    match (victim, database) {
        (Victim::Backend, Database::Postgres(server)) => {
            let backends = server.backends();
            if backends.is_empty() {
                bail!("the master has no connection to the database");
            }
            let chosen = random.below(backends.len() as u64) as usize;
            descendants::kill(&backends[chosen..=chosen]);
            std::thread::sleep(away);
            server.wait_until_ready()?;
        }
        (Victim::Database, Database::Postgres(server)) => {
            let both = round % 2 == 1;
            server.kill()?;
            if both {
                master.kill()?;
            }
            std::thread::sleep(away);
            server.start_again()?;
            if both {
                master.start_again()?;
            }
        }
        _ => {
            master.kill()?;
            std::thread::sleep(away);
            master.start_again()?;
        }
    }
    wait_until_answered(master)
}

fn wait_until_answered(master: &Master) -> Result<()> {
    let deadline = Instant::now() + RECOVERY_TIME_MAX;
    while !master.answers() {
        if Instant::now() > deadline {
            bail!("the master did not recover; it said:\n{}", master.said());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Clients that gave up leave runs open, which are lost after a while of silence.
fn wait_until_nobody_runs(url: &str) -> Result<()> {
    let deadline = Instant::now() + LOST_TIME_MAX;
    while Instant::now() < deadline {
        let running = http::get_json(url, "/results?status=running&limit=1")?;
        if running.as_array().is_some_and(Vec::is_empty) {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}
