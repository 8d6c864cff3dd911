//! `kill -9` of the worker, of worker and pytest together, and of pytest alone.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::process::{Pid, WaitOptions, waitpid};
use shared::outcome::Outcome;
use shared::run::Run;
use shared::status::RunStatus;
use xtask::descendants;

use crate::audit::{Audit, Stage};
use crate::book::{Book, Entry, Expected};
use crate::ledger::Row;
use crate::stage::suite::Shape;
use crate::stage::truth::{self, Finished};
use crate::stage::{Database, Launch, Master, Setting, Suite, Worker};

/// Rounds of the short form.
const ROUNDS_MIN: u64 = 3;
/// A test that finished this long before the kill has to be in the journal; one that finished later
/// may have been on its way there.
const ON_ITS_WAY_S: f64 = 1.0;
/// Latest moment of a kill, in milliseconds: after the first test has ended, and in every fourth round
/// after the start, when Python may still be loading.
const KILL_MS_MAX: u64 = 2_500;
const KILL_EARLY_MS_MAX: u64 = 1_000;
/// How long pytest may go on after its worker died, and how long a run may take to arrive.
const PATIENCE: Duration = Duration::from_mins(1);

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Worker,
    Both,
    Pytest,
}

/// The worker alone; pytest goes on.
pub(super) fn worker(setting: &Setting, row: &mut Row) -> Result<()> {
    story(setting, row, Victim::Worker)
}

/// Worker and pytest, as when a machine goes away.
pub(super) fn both(setting: &Setting, row: &mut Row) -> Result<()> {
    story(setting, row, Victim::Both)
}

/// pytest alone; the worker reports it.
pub(super) fn pytest(setting: &Setting, row: &mut Row) -> Result<()> {
    story(setting, row, Victim::Pytest)
}

/// What one round came to.
struct Killed {
    run_id: String,
    suite: usize,
    finished: Vec<Finished>,
    at_s: f64,
}

fn story(setting: &Setting, row: &mut Row, victim: Victim) -> Result<()> {
    let database = Database::make(setting.engine, &setting.folder)?;
    let mut master = Master::start(Launch::plain(setting, database.url()))?;
    let suites = suites(setting)?;
    let worker = Worker::new(setting, &master.url, &setting.folder)?;
    let book = Book::default();
    let mut late = (0, 0);
    while setting.goes_on(row.rounds, ROUNDS_MIN, u64::MAX) {
        let killed = kill(setting, &worker, &suites[..2], victim, row.rounds, row)?;
        deliver(&worker, &suites[2], &book, victim, row)?;
        let mut audit = Audit::of(&master.url)?;
        let expected = &suites[killed.suite].expected;
        let arrived = look(&mut audit, &killed, expected, victim, row)?;
        late.0 += arrived.0;
        late.1 += arrived.1;
        book.intend(&killed.run_id, Entry::of_suite(&worker.name, &[]));
        row.rounds += 1;
    }
    row.note(format!(
        "of {} tests that ended in the last second before a kill, {} arrived",
        late.0, late.1
    ));
    // Once more: what has arrived is not sent again, and would do no harm.
    if let Err(error) = worker.flush() {
        row.wrong(format!("{error:#}"));
    }
    let mut audit = Audit::of(&master.url)?;
    let mut entries = book.copy();
    audit.lists_and_counters(&entries, row)?;
    entries.retain(|_, entry| entry.saved);
    audit.runs(&entries, Stage::AtTheEnd, row)?;
    master.end()?;
    for said in database.check()? {
        row.wrong(said);
    }
    Ok(())
}

/// Two that are long enough to be killed, one of them in several processes, and a quick one.
fn suites(setting: &Setting) -> Result<[Suite; 3]> {
    let suite = |name: &str, tests, sleep_ms, processes| {
        let shape = Shape {
            tests,
            sleep_ms,
            processes,
            failures: true,
        };
        Suite::write(&setting.folder.join(name), shape, &mut setting.random(99))
    };
    Ok([
        suite("long", 60, 50, 0)?,
        suite("parallel", 90, 50, 2)?,
        suite("quick", 5, 0, 0)?,
    ])
}

/// Starts a run and kills; comes back when nothing of it runs any more.
fn kill(
    setting: &Setting,
    worker: &Worker,
    suites: &[Suite],
    victim: Victim,
    round: u64,
    row: &mut Row,
) -> Result<Killed> {
    let mut random = setting.random(round);
    let suite = (round % 2) as usize;
    let run_id = format!("killed-{round}");
    let written = setting.folder.join(format!("{run_id}.truth"));
    let mut worker = worker.clone();
    worker
        .variables
        .push(("CHAOS_TRUTH".into(), written.clone().into()));
    let running = worker.start(&suites[suite], &run_id)?;
    let wait_ms = if round % 4 == 3 {
        random.below(KILL_EARLY_MS_MAX)
    } else {
        wait_for_a_test(&written);
        random.below(KILL_MS_MAX)
    };
    std::thread::sleep(Duration::from_millis(wait_ms));
    let below = descendants::of(running.id());
    let at_s = truth::now_s();
    match victim {
        Victim::Worker => descendants::kill(&[running.id()]),
        Victim::Both => descendants::kill(&[&[running.id()], &*below].concat()),
        Victim::Pytest => descendants::kill(&below),
    }
    if !all_end(&below) {
        row.wrong(format!(
            "{run_id}: pytest did not end after its worker died"
        ));
        descendants::kill(&below);
    }
    running.wait()?;
    Ok(Killed {
        run_id,
        suite,
        finished: truth::read(&written),
        at_s,
    })
}

/// A machine that has other things to do may take long until the first test runs.
fn wait_for_a_test(written: &Path) {
    let deadline = Instant::now() + PATIENCE;
    while truth::read(written).is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until none of them is left. Those whose parent died are our children by now.
fn all_end(processes: &[u32]) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while processes.iter().any(|&process| lives(process)) {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}

fn lives(process: u32) -> bool {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        let _ = waitpid(Some(pid), WaitOptions::NOHANG);
    }
    Path::new(&format!("/proc/{process}")).exists()
}

/// What was left goes with the next run or with `flush`, in turns.
fn deliver(
    worker: &Worker,
    quick: &Suite,
    book: &Book,
    victim: Victim,
    row: &mut Row,
) -> Result<()> {
    if victim == Victim::Pytest {
        return Ok(());
    }
    if row.rounds.is_multiple_of(2) {
        if let Err(error) = worker.flush() {
            row.wrong(format!("{error:#}"));
        }
        return Ok(());
    }
    let run_id = format!("next-{}", row.rounds);
    book.intend(&run_id, Entry::of_suite(&worker.name, &quick.expected));
    let ended = worker.run(quick, &run_id)?;
    if ended.uploaded() {
        book.saved(&run_id);
    } else {
        row.wrong(format!("{run_id}: {}", ended.closing_line()));
    }
    Ok(())
}

/// Compares what arrived with what the suite wrote down itself. Answers with the number of tests
/// that ended in the last second, and how many of them arrived.
fn look(
    audit: &mut Audit,
    killed: &Killed,
    expected: &[Expected],
    victim: Victim,
    row: &mut Row,
) -> Result<(u64, u64)> {
    let Killed { run_id, .. } = killed;
    let must_by_s = match victim {
        // The worker lives, and reads what is left in the pipe.
        Victim::Pytest => f64::MAX,
        _ => killed.at_s - ON_ITS_WAY_S,
    };
    let before = killed.finished.iter();
    let before = before.filter(|test| test.at_s <= killed.at_s || victim == Victim::Pytest);
    let (must, may): (Vec<_>, Vec<_>) = before.partition(|test| test.at_s <= must_by_s);
    let promised = must.len() as u64;
    row.runs += 1;
    row.acknowledged += promised;
    let Some(run) = audit.run(run_id)? else {
        if promised > 0 {
            row.lost += promised;
            row.wrong(format!(
                "{run_id}: {promised} tests had ended, and no run arrived"
            ));
        }
        return Ok((may.len() as u64, 0));
    };
    let cases = audit.cases(run_id)?;
    let mut here = BTreeSet::new();
    for case in &cases {
        if !here.insert(&*case.nodeid) {
            row.doubled += 1;
            row.wrong(format!("{run_id}: {} is there twice", case.nodeid));
        }
        let right = expected.iter().find(|test| test.nodeid == case.nodeid);
        let running =
            case.outcome == Outcome::Crashed && !must.iter().any(|test| test.nodeid == case.nodeid);
        if !running && right.is_none_or(|right| right.outcome != case.outcome) {
            row.wrong(format!("{run_id}: {} is {:?}", case.nodeid, case.outcome));
        }
    }
    let found = must.iter().filter(|test| here.contains(&*test.nodeid));
    let found = found.count() as u64;
    row.found += found;
    row.lost += promised - found;
    if found < promised {
        row.wrong(format!("{run_id}: {found} of {promised} tests arrived"));
    }
    honest(&run, cases.len(), expected.len(), row);
    let arrived = may.iter().filter(|test| here.contains(&*test.nodeid));
    Ok((may.len() as u64, arrived.count() as u64))
}

/// A run of which a part is missing says so.
fn honest(run: &Run, cases: usize, collected: usize, row: &mut Row) {
    let whole = cases == collected && run.running_count == 0;
    let claims = run.complete || matches!(run.status, RunStatus::Passed | RunStatus::Failed);
    if claims && !whole {
        row.wrong(format!(
            "{}: {} with {cases} of {collected} tests",
            run.run_id,
            run.status.as_str()
        ));
    }
    if run.status == RunStatus::Running {
        row.wrong(format!("{}: still running", run.run_id));
    }
}
