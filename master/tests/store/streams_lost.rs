//! A run whose worker went silent is closed with all it had; when the worker comes back, it is as if
//! nothing had been lost.

use std::time::Duration;

use master::ingest::{IngestError, LiveRun, Saved, StreamError};
use master::queries;
use shared::outcome::Outcome;
use shared::run::ProblemKind;
use shared::status::RunStatus;
use shared::stream::{NewBatch, Progress};

use crate::engines::{Database, Opened, received_at};
use crate::make;
use crate::streams::{batch, counters, finish, get, list, opening, rich, stream};

on_both_engines!(
    a_silent_run_is_closed_with_all_it_had,
    a_lost_run_goes_on_as_if_nothing_had_happened,
    a_lost_run_is_completed_whole_as_if_nothing_had_happened,
    a_lost_run_can_be_finished_at_once,
    a_run_that_was_heard_again_is_not_closed,
    two_masters_close_a_run_once,
    a_run_that_was_lost_long_ago_keeps_what_it_had_and_can_only_be_sent_whole,
);

const SILENCE: Duration = Duration::from_mins(2);

async fn the_live_run(opened: &Opened) -> LiveRun {
    let mut live = opened.ingest.live().await.unwrap();
    assert_eq!(live.len(), 1, "{live:?}");
    live.remove(0)
}

async fn lose(opened: &Opened) {
    let live = the_live_run(opened).await;
    assert!(opened.ingest.close_silent(&live, SILENCE).await.unwrap());
    assert_eq!(opened.ingest.live().await.unwrap(), []);
}

/// A run of the suite of which two batches arrived, and which was heard 30 s after its start.
async fn begun(opened: &Opened) -> shared::run::NewRun {
    let run = rich("r", 2);
    let cases = run.cases.as_ref().unwrap();
    let ingest = &opened.ingest;
    ingest.open(opening(&run), received_at()).await.unwrap();
    ingest
        .append("r", batch(1, &cases[..50]), received_at())
        .await
        .unwrap();
    let mut second = batch(2, &cases[50..122]);
    second.progress = Progress {
        collected: Some(500),
        deselected: 3,
        running: vec!["t.py::hangs".to_owned(), cases[0].nodeid.clone()],
        running_count: 2,
    };
    let heard_at = received_at() + chrono::Duration::seconds(30);
    ingest.append("r", second, heard_at).await.unwrap();
    run
}

async fn a_silent_run_is_closed_with_all_it_had(db: &Database) {
    let opened = db.open().await;
    let run = begun(&opened).await;
    lose(&opened).await;
    let lost = get(&opened, "r").await;
    assert_eq!(
        (lost.status, lost.finished, lost.complete),
        (RunStatus::Lost, false, false)
    );
    assert_eq!(
        (lost.total, lost.collected, lost.deselected),
        (123, Some(500), 3)
    );
    assert_eq!((lost.running.len(), lost.running_count), (2, 2));
    assert_eq!(lost.not_run_count, 500 - 123);
    assert!((lost.duration - 30.0).abs() < f64::EPSILON);
    assert_eq!(lost.command, "pytest tests");
    let problem = &lost.problems[0];
    assert_eq!(problem.kind, ProblemKind::Crash);
    assert!(
        problem.text.contains("2026-11-21T10:00:30.123456Z"),
        "{}",
        problem.text
    );
    assert!(problem.text.contains("120 s"), "{}", problem.text);
    let nodeid = &run.cases.unwrap()[0].nodeid;
    for (nodeid, outcomes) in [("t.py::hangs", 0), (nodeid, 1)] {
        let found = queries::case::get(&opened.store, "r", nodeid)
            .await
            .unwrap();
        let queries::case::FoundCase::Found(case) = found else {
            panic!("{nodeid} is not there");
        };
        assert_eq!(
            (case.outcome, case.outcomes.len()),
            (Outcome::Crashed, outcomes)
        );
        assert!(case.message.unwrap().contains("went silent"));
    }
    // It counts now.
    let top = queries::failure_stats::top(&opened.store, None, 10)
        .await
        .unwrap();
    assert_eq!(top.len(), 4, "{top:?}");
    let workers = queries::workers::list(&opened.store, None).await.unwrap();
    assert_eq!(
        workers[0].last_seen,
        received_at() + chrono::Duration::seconds(30)
    );
    opened.close().await;
}

async fn a_lost_run_goes_on_as_if_nothing_had_happened(db: &Database) {
    let mut opened = db.open().await;
    // Something to be counted with.
    stream(&opened.ingest, &rich("other", 1), 40).await;
    let run = begun(&opened).await;
    let before = (list(&opened, None).await, counters(&opened).await);
    let failures = get(&opened, "r").await.failures;
    for restarts in [false, true, false] {
        lose(&opened).await;
        assert_ne!(counters(&opened).await, before.1);
        if restarts {
            opened.close().await;
            opened = db.open().await;
        }
        let heard_at = received_at() + chrono::Duration::seconds(30);
        let alive = NewBatch::default();
        let streamed = opened.ingest.append("r", alive, heard_at).await.unwrap();
        assert_eq!((streamed.saved, streamed.batches), (Saved::Unchanged, 2));
        assert_eq!(list(&opened, None).await, before.0);
        let after = counters(&opened).await;
        assert_eq!(without_last_seen(&after), without_last_seen(&before.1));
        let shown = get(&opened, "r").await;
        assert_eq!(shown.failures, failures);
        assert!(shown.problems.is_empty());
    }
    let rest = run.cases.as_ref().unwrap()[122..].to_vec();
    opened
        .ingest
        .append("r", batch(3, &rest), received_at())
        .await
        .unwrap();
    opened
        .ingest
        .finish(finish(&run, 3), received_at())
        .await
        .unwrap();
    is_as_if_sent_whole(&opened, run).await;
    opened.close().await;
}

/// When a worker was heard is not taken back: it was heard.
fn without_last_seen(counters: &str) -> String {
    let (before, rest) = counters.split_once("last_seen: ").unwrap();
    format!("{before}{}", rest.split_once(',').unwrap().1)
}

async fn is_as_if_sent_whole(opened: &Opened, run: shared::run::NewRun) {
    assert_eq!(opened.try_save(run).await.unwrap(), Saved::Unchanged);
    let top = queries::failure_stats::top(&opened.store, Some("shop"), 10)
        .await
        .unwrap();
    let counts: Vec<u64> = top.iter().map(|stat| stat.fail_count).collect();
    let runs = list(opened, None).await.len() as u64;
    assert_eq!(counts, [runs; 4], "{top:?}");
    let workers = queries::workers::list(&opened.store, None).await.unwrap();
    assert_eq!(workers[0].run_count, runs);
    let mean = list(opened, None)
        .await
        .iter()
        .map(|run| run.pass_rate)
        .sum::<f64>()
        / runs as f64;
    assert!((workers[0].avg_pass_rate - mean).abs() < 1e-9);
    let projects = queries::names::projects(&opened.store).await.unwrap();
    assert_eq!(projects[0].run_count, runs);
}

async fn a_lost_run_is_completed_whole_as_if_nothing_had_happened(db: &Database) {
    let opened = db.open().await;
    let run = begun(&opened).await;
    lose(&opened).await;
    assert_eq!(opened.try_save(run.clone()).await.unwrap(), Saved::Created);
    is_as_if_sent_whole(&opened, run).await;
    opened.close().await;
}

async fn a_lost_run_can_be_finished_at_once(db: &Database) {
    let opened = db.open().await;
    let mut run = begun(&opened).await;
    lose(&opened).await;
    let again = opened
        .ingest
        .open(opening(&run), received_at())
        .await
        .unwrap();
    assert_eq!((again.saved, again.batches), (Saved::Unchanged, 2));
    assert_eq!(get(&opened, "r").await.status, RunStatus::Running);
    lose(&opened).await;
    run.cases.as_mut().unwrap().truncate(122);
    opened
        .ingest
        .finish(finish(&run, 2), received_at())
        .await
        .unwrap();
    assert_eq!(opened.try_save(run).await.unwrap(), Saved::Unchanged);
    let top = queries::failure_stats::top(&opened.store, None, 10)
        .await
        .unwrap();
    assert_eq!(
        top.iter().map(|stat| stat.fail_count).collect::<Vec<_>>(),
        [1, 1]
    );
    opened.close().await;
}

async fn a_run_that_was_heard_again_is_not_closed(db: &Database) {
    let opened = db.open().await;
    let run = begun(&opened).await;
    let seen = the_live_run(&opened).await;
    // At the very moment at which it was heard before: only the pulse tells.
    let heard_at = received_at() + chrono::Duration::seconds(30);
    let alive = NewBatch::default();
    opened.ingest.append("r", alive, heard_at).await.unwrap();
    assert!(!opened.ingest.close_silent(&seen, SILENCE).await.unwrap());
    assert_eq!(get(&opened, "r").await.status, RunStatus::Running);
    let seen = the_live_run(&opened).await;
    let rest = run.cases.as_ref().unwrap()[122..].to_vec();
    opened
        .ingest
        .append("r", batch(3, &rest), heard_at)
        .await
        .unwrap();
    opened
        .ingest
        .finish(finish(&run, 3), heard_at)
        .await
        .unwrap();
    assert!(!opened.ingest.close_silent(&seen, SILENCE).await.unwrap());
    assert_eq!(get(&opened, "r").await.status, RunStatus::Failed);
    let unknown = LiveRun {
        run_id: "unknown".to_owned(),
        pulse: 1,
    };
    assert!(!opened.ingest.close_silent(&unknown, SILENCE).await.unwrap());
    opened.close().await;
}

async fn two_masters_close_a_run_once(db: &Database) {
    let masters = [db.open().await, db.open().await];
    for round in 0..5 {
        let run_id = format!("r{round}");
        let run = make::run_of(&run_id, vec![make::failed("t.py::a", "no")]);
        let ingest = &masters[0].ingest;
        ingest.open(opening(&run), received_at()).await.unwrap();
        let cases = run.cases.unwrap();
        ingest
            .append(&run_id, batch(1, &cases), received_at())
            .await
            .unwrap();
        let live = the_live_run(&masters[1]).await;
        let (a, b) = tokio::join!(
            masters[0].ingest.close_silent(&live, SILENCE),
            masters[1].ingest.close_silent(&live, SILENCE)
        );
        let closed = [a.unwrap(), b.unwrap()];
        assert!(closed[0] != closed[1], "{closed:?}");
    }
    let top = queries::failure_stats::top(&masters[0].store, None, 10)
        .await
        .unwrap();
    assert_eq!(top[0].fail_count, 5);
    for master in masters {
        master.close().await;
    }
}

async fn a_run_that_was_lost_long_ago_keeps_what_it_had_and_can_only_be_sent_whole(db: &Database) {
    let opened = db.open().await;
    let run = begun(&opened).await;
    let ingest = &opened.ingest;
    lose(&opened).await;
    let before = get(&opened, "r").await;
    // Not long enough ago, then long enough, and once more.
    let heard_at = received_at() + chrono::Duration::seconds(30);
    ingest.forget_lost(heard_at).await.unwrap();
    ingest.open(opening(&run), heard_at).await.unwrap();
    lose(&opened).await;
    for _ in 0..2 {
        let later = heard_at + chrono::Duration::seconds(1);
        ingest.forget_lost(later).await.unwrap();
    }
    let alive = ingest.append("r", NewBatch::default(), heard_at).await;
    let open = ingest.open(opening(&run), heard_at).await;
    let end = ingest.finish(finish(&run, 2), heard_at).await;
    for refused in [alive.map(|_| ()), open.map(|_| ()), end.map(|_| ())] {
        assert!(
            matches!(refused, Err(IngestError::Stream(StreamError::Finished))),
            "{refused:?}"
        );
    }
    assert_eq!(get(&opened, "r").await, before);
    assert_eq!(opened.try_save(run.clone()).await.unwrap(), Saved::Created);
    is_as_if_sent_whole(&opened, run).await;
    opened.close().await;
}
