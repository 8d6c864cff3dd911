//! A run that is reported while it goes on becomes the run that could have been sent whole.

use master::ingest::{Ingest, Saved};
use master::queries;
use master::queries::cases::CasesFilter;
use master::queries::trend::TrendFilter;
use shared::case::{Case, NewCase};
use shared::outcome::Outcome;
use shared::run::{NewRun, Run, RunSummary};
use shared::status::RunStatus;
use shared::stream::{Finish, NewBatch, Progress};

use crate::engines::{Database, Opened, received_at};
use crate::make;

on_both_engines!(
    any_way_of_cutting_gives_the_run_that_was_sent_whole,
    a_run_that_goes_on_is_listed_with_its_counts_so_far_and_nowhere_else,
    every_call_can_be_sent_again,
    a_whole_run_completes_the_one_that_goes_on,
    a_run_without_a_single_batch_can_be_finished,
    many_runs_at_once_are_all_finished,
    two_masters_take_turns_on_one_run,
    a_run_that_was_never_finished_can_go_on_after_a_restart,
);

/// The opening of a run: what is known before its first test.
pub(crate) fn opening(run: &NewRun) -> NewRun {
    NewRun {
        run_id: run.run_id.clone(),
        worker_id: run.worker_id.clone(),
        project: run.project.clone(),
        branch: run.branch.clone(),
        commit: "abc1234".to_owned(),
        command: "pytest tests".to_owned(),
        ..NewRun::default()
    }
}

/// A batch of cases; its id follows from the run and the number.
pub(crate) fn batch(number: u64, cases: &[NewCase]) -> NewBatch {
    NewBatch {
        number,
        batch_id: format!("batch-{number}"),
        cases: cases.to_vec(),
        progress: Progress {
            collected: Some(1_000),
            ..Progress::default()
        },
    }
}

/// The finish of a run whose cases were sent in so many batches.
pub(crate) fn finish(run: &NewRun, batches: u64) -> Finish {
    Finish {
        batches,
        run: NewRun {
            cases: None,
            ..run.clone()
        },
    }
}

/// Sends a run in batches of a size.
pub(crate) async fn stream(ingest: &Ingest, run: &NewRun, size: usize) {
    ingest.open(opening(run), received_at()).await.unwrap();
    let cases = run.cases.as_deref().unwrap_or_default();
    let mut number = 0;
    for cases in cases.chunks(size) {
        number += 1;
        let streamed = ingest
            .append(&run.run_id, batch(number, cases), received_at())
            .await
            .unwrap();
        assert_eq!((streamed.saved, streamed.batches), (Saved::Created, number));
    }
    let saved = ingest.finish(finish(run, number), received_at()).await;
    assert_eq!(saved.unwrap(), Saved::Created);
}

pub(crate) async fn get(opened: &Opened, run_id: &str) -> Run {
    let run = queries::runs::get(&opened.store, run_id).await.unwrap();
    run.expect("there is no such run")
}

async fn cases(opened: &Opened, run_id: &str) -> Vec<Case> {
    let filter = CasesFilter {
        limit: 100_000,
        ..CasesFilter::default()
    };
    let page = queries::cases::list(&opened.store, run_id, &filter).await;
    let mut cases = page.unwrap().unwrap().cases;
    for case in &mut cases {
        let found = queries::case::get(&opened.store, run_id, &case.nodeid).await;
        if let queries::case::FoundCase::Found(whole) = found.unwrap() {
            *case = *whole;
        }
    }
    cases
}

/// Everything that is counted over all runs.
pub(crate) async fn counters(opened: &Opened) -> String {
    let failures = queries::failure_stats::top(&opened.store, None, 500).await;
    let here = queries::failure_stats::top(&opened.store, Some("shop"), 500).await;
    let workers = queries::workers::list(&opened.store, None).await;
    let projects = queries::names::projects(&opened.store).await;
    let trend = TrendFilter {
        limit: 100,
        ..TrendFilter::default()
    };
    let trend = queries::trend::last(&opened.store, &trend).await;
    format!("{failures:?}\n{here:?}\n{workers:?}\n{projects:?}\n{trend:?}")
}

pub(crate) async fn list(opened: &Opened, status: Option<RunStatus>) -> Vec<RunSummary> {
    let filter = queries::runs::RunsFilter {
        status,
        limit: 100,
        ..Default::default()
    };
    queries::runs::list(&opened.store, &filter).await.unwrap()
}

/// A run that says something in every field that is stored in its own way.
pub(crate) fn rich(run_id: &str, seed: u64) -> NewRun {
    let mut cases = make::suite(120, seed);
    for (position, case) in cases.iter_mut().enumerate() {
        case.duration = (position % 7 == 0).then_some(0.1 + position as f64 / 3e5);
    }
    cases.push(make::failed("t.py::bad", "assert 1 == 2"));
    cases.push(make::failed("t.py::long", &"long ".repeat(30_000)));
    cases.push(NewCase {
        outcomes: Some(vec![Outcome::Passed, Outcome::Error]),
        ..NewCase::new("t.py::teardown", Outcome::Error)
    });
    cases.push(NewCase::new("t.py::crash", Outcome::Crashed));
    NewRun {
        duration: 12.345_678_901_234_567,
        exit_code: Some(1),
        collected: Some(124),
        log_tail: "2 failed".to_owned(),
        timestamp: Some(received_at()),
        ..make::run_of(run_id, cases)
    }
}

/// The same run with what the master alone decides taken out.
fn comparable(run: Run) -> Run {
    Run {
        id: 0,
        run_id: String::new(),
        ..run
    }
}

/// Small, repeatable chance.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

/// Sends a run in pieces of any size, some of them twice, some cases at first in another form, with
/// signs of life between and the store closed and opened now and then.
async fn stream_somehow(db: &Database, run: &NewRun, chance: &mut Chance) {
    let mut opened = db.open().await;
    let start = opening(run);
    opened
        .ingest
        .open(start.clone(), received_at())
        .await
        .unwrap();
    let mut rest = run.cases.clone().unwrap();
    // Any order will do.
    for position in (1..rest.len()).rev() {
        rest.swap(position, chance.below(position + 1));
    }
    let mut number = 0;
    while !rest.is_empty() {
        let size = 1 + chance.below(rest.len().min(60));
        let mut piece: Vec<NewCase> = rest.drain(..size).collect();
        if chance.below(3) == 0 {
            // It comes again later, as it is.
            rest.push(piece[0].clone());
            piece[0] = make::failed(&piece[0].nodeid, "not the last word");
            rest.dedup_by(|a, b| a.nodeid == b.nodeid);
        }
        number += 1;
        let body = batch(number, &piece);
        for time in 0..=chance.below(2) {
            let streamed = opened
                .ingest
                .append(&run.run_id, body.clone(), received_at())
                .await
                .unwrap();
            let expected = [Saved::Created, Saved::Unchanged][time.min(1)];
            assert_eq!((streamed.saved, streamed.batches), (expected, number));
        }
        match chance.below(6) {
            0 => {
                opened.close().await;
                opened = db.open().await;
            }
            1 => {
                let again = opened.ingest.open(start.clone(), received_at()).await;
                assert_eq!(again.unwrap().batches, number);
            }
            2 => {
                let alive = NewBatch::default();
                let alive = opened
                    .ingest
                    .append(&run.run_id, alive, received_at())
                    .await;
                assert_eq!(alive.unwrap().saved, Saved::Unchanged);
            }
            _ => {}
        }
    }
    let end = finish(run, number);
    let saved = opened.ingest.finish(end, received_at()).await.unwrap();
    assert_eq!(saved, Saved::Created);
    opened.close().await;
}

async fn any_way_of_cutting_gives_the_run_that_was_sent_whole(db: &Database) {
    for seed in 1..=8 {
        let run = rich("same", seed);
        // The same tests have the same ids before either arrives, in this database and the other.
        let opened = db.open().await;
        let whole = NewRun {
            run_id: format!("whole-{seed}"),
            ..run.clone()
        };
        opened.save(whole.clone()).await;
        opened.close().await;

        let streamed = NewRun {
            run_id: format!("streamed-{seed}"),
            ..run
        };
        stream_somehow(db, &streamed, &mut Chance(seed * 77_777)).await;

        let opened = db.open().await;
        let expected = get(&opened, &whole.run_id).await;
        let stored = get(&opened, &streamed.run_id).await;
        assert_eq!(comparable(stored), comparable(expected), "seed {seed}");
        assert_eq!(
            cases(&opened, &streamed.run_id).await,
            cases(&opened, &whole.run_id).await,
            "seed {seed}"
        );
        // The content hash is the same: sent whole, it changes nothing.
        let again = opened.try_save(streamed.clone()).await.unwrap();
        assert_eq!(again, Saved::Unchanged, "seed {seed}");
        let mut other = streamed;
        other.cases.as_mut().unwrap()[0].call = Some(77.0);
        assert!(opened.try_save(other).await.is_err(), "seed {seed}");
        let worker = &queries::workers::list(&opened.store, None).await.unwrap()[0];
        assert_eq!(worker.run_count, 2 * seed);
        let top = queries::failure_stats::top(&opened.store, None, 10)
            .await
            .unwrap();
        let counts: Vec<u64> = top.iter().map(|stat| stat.fail_count).collect();
        assert_eq!(counts, [2 * seed; 4], "{top:?}");
        opened.close().await;
    }
}

async fn a_run_that_goes_on_is_listed_with_its_counts_so_far_and_nowhere_else(db: &Database) {
    let opened = db.open().await;
    let run = rich("r", 3);
    let ingest = &opened.ingest;
    let nothing = counters(&opened).await;
    ingest.open(opening(&run), received_at()).await.unwrap();
    let first = [
        make::passed("a"),
        make::passed("b"),
        make::failed("c", "no"),
    ];
    ingest
        .append("r", batch(1, &first), received_at())
        .await
        .unwrap();
    let later = received_at() + chrono::Duration::seconds(7);
    let second = [
        make::failed("b", "after all"),
        NewCase::new("d", Outcome::Skipped),
    ];
    ingest.append("r", batch(2, &second), later).await.unwrap();

    let listed = list(&opened, Some(RunStatus::Running)).await;
    assert_eq!(listed.len(), 1);
    let counts = |run: &RunSummary| (run.passed, run.failed, run.skipped, run.total);
    assert_eq!(counts(&listed[0]), (1, 2, 1, 4));
    assert!((listed[0].pass_rate - 25.0).abs() < f64::EPSILON);
    assert!((listed[0].duration - 7.0).abs() < f64::EPSILON);
    assert!(!listed[0].complete);
    let shown = get(&opened, "r").await;
    assert_eq!(
        (shown.commit.as_str(), shown.finished, shown.status),
        ("abc1234", false, RunStatus::Running)
    );
    assert_eq!(counters(&opened).await, nothing);

    let id = listed[0].id;
    ingest.finish(finish(&run, 2), later).await.unwrap();
    let stored = get(&opened, "r").await;
    assert_eq!((stored.id, stored.received_at), (id, received_at()));
    assert_eq!((stored.total, stored.failures.len()), (4, 2));
    assert!(list(&opened, Some(RunStatus::Running)).await.is_empty());
    let workers = queries::workers::list(&opened.store, None).await.unwrap();
    assert_eq!((workers[0].run_count, workers[0].last_seen), (1, later));
    opened.close().await;
}

async fn every_call_can_be_sent_again(db: &Database) {
    let opened = db.open().await;
    let ingest = &opened.ingest;
    let run = rich("r", 5);
    stream(ingest, &run, 50).await;
    let before = (get(&opened, "r").await, counters(&opened).await);
    let again = ingest.finish(finish(&run, 3), received_at()).await.unwrap();
    assert_eq!(again, Saved::Unchanged);
    assert_eq!(
        opened.try_save(run.clone()).await.unwrap(),
        Saved::Unchanged
    );
    // Two at the same moment.
    let second = rich("second", 5);
    ingest.open(opening(&second), received_at()).await.unwrap();
    let cases = second.cases.as_ref().unwrap();
    let one = batch(1, &cases[..100]);
    let (a, b) = tokio::join!(
        ingest.append("second", one.clone(), received_at()),
        ingest.append("second", one, received_at())
    );
    let mut saved = [a.unwrap().saved, b.unwrap().saved];
    saved.sort_by_key(|saved| *saved == Saved::Unchanged);
    assert_eq!(saved, [Saved::Created, Saved::Unchanged]);
    let two = batch(2, &cases[100..]);
    ingest.append("second", two, received_at()).await.unwrap();
    let end = finish(&second, 2);
    let (a, b) = tokio::join!(
        ingest.finish(end.clone(), received_at()),
        ingest.finish(end, received_at())
    );
    let mut saved = [a.unwrap(), b.unwrap()];
    saved.sort_by_key(|saved| *saved == Saved::Unchanged);
    assert_eq!(saved, [Saved::Created, Saved::Unchanged]);
    assert_eq!(get(&opened, "r").await, before.0);
    assert_ne!(counters(&opened).await, before.1);
    assert_eq!(opened.try_save(second).await.unwrap(), Saved::Unchanged);
    opened.close().await;
}

async fn a_whole_run_completes_the_one_that_goes_on(db: &Database) {
    let opened = db.open().await;
    let ingest = &opened.ingest;
    opened.save(rich("reference", 9)).await;
    let run = rich("r", 9);
    ingest.open(opening(&run), received_at()).await.unwrap();
    let first = [make::failed("t.py::gone", "no"), make::passed("t.py::bad")];
    ingest
        .append("r", batch(1, &first), received_at())
        .await
        .unwrap();
    let id = list(&opened, None).await[0].id;
    let stranger = NewRun {
        worker_id: "somebody else".to_owned(),
        ..run.clone()
    };
    assert!(opened.try_save(stranger).await.is_err());
    assert_eq!(opened.try_save(run.clone()).await.unwrap(), Saved::Created);
    assert_eq!(
        opened.try_save(run.clone()).await.unwrap(),
        Saved::Unchanged
    );
    let stored = get(&opened, "r").await;
    assert_eq!(stored.id, id);
    assert_eq!(
        comparable(stored),
        comparable(get(&opened, "reference").await)
    );
    let top = queries::failure_stats::top(&opened.store, None, 10)
        .await
        .unwrap();
    assert!(top.iter().all(|stat| stat.fail_count == 2), "{top:?}");
    opened.close().await;
}

async fn a_run_without_a_single_batch_can_be_finished(db: &Database) {
    let opened = db.open().await;
    let run = make::run_of("r", Vec::new());
    stream(&opened.ingest, &run, 10).await;
    assert_eq!(get(&opened, "r").await.status, RunStatus::NoTests);
    assert_eq!(opened.try_save(run).await.unwrap(), Saved::Unchanged);
    opened.close().await;
}

async fn many_runs_at_once_are_all_finished(db: &Database) {
    let opened = db.open().await;
    let mut streams = tokio::task::JoinSet::new();
    for number in 0..30 {
        let ingest = opened.ingest.clone();
        streams.spawn(async move {
            let run = rich(&format!("r{number}"), number);
            stream(&ingest, &run, 17).await;
        });
    }
    streams.join_all().await;
    let listed = list(&opened, None).await;
    assert_eq!(listed.len(), 30);
    assert!(listed.iter().all(|run| run.total == 124), "{listed:?}");
    let workers = queries::workers::list(&opened.store, None).await.unwrap();
    assert_eq!(workers[0].run_count, 30);
    opened.close().await;
}

async fn two_masters_take_turns_on_one_run(db: &Database) {
    let masters = [db.open().await, db.open().await];
    let mut streams = tokio::task::JoinSet::new();
    for number in 0..8_usize {
        let ingests = [masters[0].ingest.clone(), masters[1].ingest.clone()];
        streams.spawn(async move {
            let run = rich(&format!("r{number}"), 4);
            let cases = run.cases.clone().unwrap();
            let at = |step: usize| &ingests[(number + step) % 2];
            at(0).open(opening(&run), received_at()).await.unwrap();
            let mut batches = 0;
            for (step, cases) in cases.chunks(20).enumerate() {
                batches = step as u64 + 1;
                let body = batch(batches, cases);
                at(step)
                    .append(&run.run_id, body, received_at())
                    .await
                    .unwrap();
            }
            let saved = at(1).finish(finish(&run, batches), received_at()).await;
            assert_eq!(saved.unwrap(), Saved::Created);
        });
    }
    streams.join_all().await;
    for number in 0..8 {
        let run = rich(&format!("r{number}"), 4);
        assert_eq!(masters[0].try_save(run).await.unwrap(), Saved::Unchanged);
    }
    let top = queries::failure_stats::top(&masters[1].store, None, 10)
        .await
        .unwrap();
    assert!(top.iter().all(|stat| stat.fail_count == 8), "{top:?}");
    for master in masters {
        master.close().await;
    }
}

async fn a_run_that_was_never_finished_can_go_on_after_a_restart(db: &Database) {
    let opened = db.open().await;
    let run = rich("r", 6);
    let cases = run.cases.as_ref().unwrap();
    opened
        .ingest
        .open(opening(&run), received_at())
        .await
        .unwrap();
    let first = batch(1, &cases[..60]);
    opened
        .ingest
        .append("r", first, received_at())
        .await
        .unwrap();
    let before = list(&opened, None).await;
    opened.close().await;

    let opened = db.open().await;
    assert_eq!(list(&opened, None).await, before);
    let second = batch(2, &cases[60..]);
    let streamed = opened.ingest.append("r", second, received_at()).await;
    assert_eq!(streamed.unwrap().batches, 2);
    assert_eq!(list(&opened, None).await[0].total, cases.len() as u64);
    opened
        .ingest
        .finish(finish(&run, 2), received_at())
        .await
        .unwrap();
    assert_eq!(opened.try_save(run).await.unwrap(), Saved::Unchanged);
    opened.close().await;
}
