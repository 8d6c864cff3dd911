//! Clocks that differ by an hour and by a day between worker and master, and that are stepped while
//! a run goes on.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use shared::run::Run;
use shared::status::RunStatus;

use crate::audit::{Audit, Stage};
use crate::book::{Book, Entry};
use crate::ledger::Row;
use crate::stage::client::Client;
use crate::stage::clock::Clock;
use crate::stage::master::SILENCE_MAX_S;
use crate::stage::suite::Shape;
use crate::stage::{Database, Launch, Master, Setting, Suite, Worker};

/// How far clocks are off.
const OFFSETS: [&str; 4] = ["-1d", "+1d", "-1h", "+1h"];
/// Rounds of the short form: one at each place.
const ROUNDS_MIN: u64 = 3;
/// Where a run is when the clock is stepped.
const MIDDLE: Duration = Duration::from_millis(1_200);
/// How much longer than the real time a duration may be, in seconds.
const SLACK_S: f64 = 0.5;
/// Over how much of the real silence a run may take to be lost.
const LOST_SLACK: Duration = Duration::from_secs(20);

/// Whose clock is wrong.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// The worker's, all the time.
    Worker,
    /// The worker's, from the middle of the run on.
    WorkerStepped,
    /// The master's, from the middle of the run on.
    MasterStepped,
}

/// What all rounds share.
struct Scene<'a> {
    setting: &'a Setting,
    suite: Suite,
    book: Book,
    clock: Clock,
    master: Master,
}

/// Every place with every offset, again and again.
pub(super) fn run(setting: &Setting, row: &mut Row) -> Result<()> {
    let database = Database::make(setting.engine, &setting.folder)?;
    let shape = Shape {
        tests: 22,
        sleep_ms: 100,
        processes: 0,
        failures: true,
    };
    let clock = Clock::make(&setting.folder.join("master.clock"), "+0")?;
    let mut launch = Launch::plain(setting, database.url());
    launch.variables = clock.variables();
    let mut scene = Scene {
        setting,
        suite: Suite::write(&setting.folder.join("suite"), shape, &mut setting.random(0))?,
        book: Book::default(),
        clock,
        master: Master::start(launch)?,
    };
    while setting.goes_on(row.rounds, ROUNDS_MIN, u64::MAX) {
        let place = match row.rounds % 3 {
            0 => Place::WorkerStepped,
            1 => Place::MasterStepped,
            _ => Place::Worker,
        };
        // After twelve rounds, each offset was at each place.
        let turn = row.rounds / 3 + row.rounds % 3;
        let offset = OFFSETS[(turn % OFFSETS.len() as u64) as usize];
        scene.round(place, offset, row)?;
        row.rounds += 1;
    }
    scene.silent_ones_are_lost(row)?;
    let mut audit = Audit::of(&scene.master.url)?;
    let entries = scene.book.copy();
    audit.runs(&entries, Stage::AtTheEnd, row)?;
    audit.lists_and_counters(&entries, row)?;
    scene.master.end()?;
    for said in database.check()? {
        row.wrong(said);
    }
    Ok(())
}

impl Scene<'_> {
    fn round(&mut self, place: Place, offset: &str, row: &mut Row) -> Result<()> {
        let run_id = format!("run-{}-{place:?}{offset}", row.rounds).replace('+', "plus-");
        let clock = Clock::make(&self.setting.folder.join("worker.clock"), "+0")?;
        let mut worker = Worker::new(self.setting, &self.master.url, &self.setting.folder)?;
        worker.variables = clock.variables();
        if matches!(place, Place::Worker) {
            clock.step(offset)?;
        }
        let entry = Entry::of_suite(&worker.name, &self.suite.expected);
        self.book.intend(&run_id, entry);
        self.open_silent_one(&format!("silent-{}", row.rounds));
        let running = worker.start(&self.suite, &run_id)?;
        self.watch(&run_id, MIDDLE, row)?;
        match place {
            Place::Worker => {}
            Place::WorkerStepped => clock.step(offset)?,
            Place::MasterStepped => self.clock.step(offset)?,
        }
        self.watch(&run_id, Duration::from_secs(1), row)?;
        let ended = running.wait()?;
        if let Some(why) = ended.unlike(&self.suite) {
            row.wrong(format!("{run_id}: {why}"));
        }
        if ended.uploaded() {
            self.book.saved(&run_id);
        } else {
            row.wrong(format!("{run_id}: {}", ended.closing_line()));
        }
        self.look(&run_id, ended.time, row)
    }

    /// No run whose worker lives is lost, whatever a clock says.
    fn watch(&self, run_id: &str, time: Duration, row: &mut Row) -> Result<()> {
        let end = Instant::now() + time;
        let mut audit = Audit::of(&self.master.url)?;
        while Instant::now() < end {
            let run = audit.run(run_id)?;
            if run.is_some_and(|run| run.status == RunStatus::Lost) {
                row.wrong(format!("{run_id}: lost while its worker lives"));
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn open_silent_one(&self, run_id: &str) {
        let random = self.setting.random(5);
        let mut client = Client::new(&self.master.url, "silent", &self.book, random);
        client.tries_max = 3;
        client.open_only(run_id);
    }

    /// Those that say nothing are lost after the real time, even when the clock went back a day.
    fn silent_ones_are_lost(&self, row: &mut Row) -> Result<()> {
        self.open_silent_one("silent-last");
        self.clock.step("-2d")?;
        let deadline = Instant::now() + Duration::from_secs(SILENCE_MAX_S) + LOST_SLACK;
        let mut audit = Audit::of(&self.master.url)?;
        loop {
            let open: Vec<_> = audit.list()?;
            let open = open.iter().filter(|run| run.status == RunStatus::Running);
            let open: Vec<_> = open.map(|run| &*run.run_id).collect();
            if open.is_empty() {
                return Ok(());
            }
            if Instant::now() > deadline {
                row.wrong(format!("silent and never lost: {}", open.join(", ")));
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn look(&self, run_id: &str, real: Duration, row: &mut Row) -> Result<()> {
        let mut audit = Audit::of(&self.master.url)?;
        let Some(run) = audit.run(run_id)? else {
            bail!("{run_id} is not there");
        };
        times_are_sane(&run, real, row);
        for case in audit.cases(run_id)? {
            let parts = [case.duration, case.setup, case.call, case.teardown];
            let most = real.as_secs_f64() + SLACK_S;
            if parts
                .into_iter()
                .flatten()
                .any(|time| !(0.0..=most).contains(&time))
            {
                row.wrong(format!("{run_id}: {} took {parts:?}", case.nodeid));
            }
        }
        // It opened last, whatever its clock or the master's says.
        let list = audit.list()?;
        if list.first().is_none_or(|first| first.run_id != run_id) {
            let first = list.first().map(|run| &*run.run_id);
            row.wrong(format!("{run_id} arrived last, and {first:?} is first"));
        }
        Ok(())
    }
}

fn times_are_sane(run: &Run, real: Duration, row: &mut Row) {
    let run_id = &run.run_id;
    let most = real.as_secs_f64() + SLACK_S;
    if !(0.0..=most).contains(&run.duration) {
        row.wrong(format!("{run_id}: took {} s of {most:.1}", run.duration));
    }
    if let (Some(from), Some(to)) = (run.started_at, run.finished_at)
        && to < from
    {
        row.wrong(format!("{run_id}: finished at {to}, started at {from}"));
    }
}
