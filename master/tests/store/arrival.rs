//! A run is kept once, whatever arrives how often and how many at a time.

use master::ingest::{IngestError, Saved};
use master::queries;
use shared::run::NewRun;

use crate::engines::{Database, received_at};
use crate::make;

on_both_engines!(
    the_same_content_sent_again_changes_nothing,
    other_content_under_the_same_id_is_a_conflict,
    identical_runs_at_the_same_moment_are_kept_once,
    different_runs_under_one_id_at_the_same_moment_leave_one,
    many_runs_at_the_same_moment_are_all_kept,
    a_closed_writer_refuses_and_what_it_took_is_kept,
);

async fn the_same_content_sent_again_changes_nothing(db: &Database) {
    let opened = db.open().await;
    let mut cases = make::suite(300, 7);
    cases.push(make::failed("t.py::bad", "no"));
    let run = make::run_of("r", cases.clone());
    opened.save(run.clone()).await;
    let later = received_at() + chrono::Duration::hours(1);
    assert_eq!(
        opened.ingest.save(run.clone(), later).await.unwrap(),
        Saved::Unchanged
    );
    // The order of the cases is not content.
    cases.reverse();
    let reversed = make::run_of("r", cases);
    assert_eq!(opened.try_save(reversed).await.unwrap(), Saved::Unchanged);

    let workers = queries::workers::list(&opened.store, None).await.unwrap();
    assert_eq!(
        (workers[0].run_count, workers[0].last_seen),
        (1, received_at())
    );
    let top = queries::failure_stats::top(&opened.store, None, 10)
        .await
        .unwrap();
    assert_eq!((top.len(), top[0].fail_count), (1, 1));
    opened.close().await;
}

async fn other_content_under_the_same_id_is_a_conflict(db: &Database) {
    let opened = db.open().await;
    let first = make::run_of(
        "r",
        vec![make::failed("t.py::a", "one"), make::passed("t.py::b")],
    );
    opened.save(first.clone()).await;
    let changes: [fn(&mut NewRun); 8] = [
        |run| run.worker_id.push('x'),
        |run| run.branch.push('x'),
        |run| run.duration += 1.0,
        |run| run.log_tail.push('x'),
        |run| run.timestamp = Some(received_at()),
        |run| run.cases.as_mut().unwrap().truncate(1),
        |run| run.cases.as_mut().unwrap()[0].failures[0].stdout.push('x'),
        |run| run.cases.as_mut().unwrap()[1].line = Some(3),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut other = first.clone();
        change(&mut other);
        let answer = opened.try_save(other).await;
        assert!(
            matches!(answer, Err(IngestError::Conflict)),
            "change {number}: {answer:?}"
        );
    }
    let stored = queries::runs::get(&opened.store, "r")
        .await
        .unwrap()
        .unwrap();
    assert_eq!((stored.worker_id.as_str(), stored.total), ("worker-1", 2));
    opened.close().await;
}

async fn identical_runs_at_the_same_moment_are_kept_once(db: &Database) {
    let opened = db.open().await;
    let mut saves = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let ingest = opened.ingest.clone();
        let run = make::run_of("r", make::suite(500, 3));
        saves.spawn(async move { ingest.save(run, received_at()).await.unwrap() });
    }
    let answers = saves.join_all().await;
    let created = answers
        .iter()
        .filter(|saved| **saved == Saved::Created)
        .count();
    assert_eq!((created, answers.len()), (1, 20));
    let runs = queries::names::projects(&opened.store).await.unwrap();
    assert_eq!((runs[0].project.as_str(), runs[0].run_count), ("shop", 1));
    opened.close().await;
}

async fn different_runs_under_one_id_at_the_same_moment_leave_one(db: &Database) {
    let opened = db.open().await;
    let mut saves = tokio::task::JoinSet::new();
    for seed in 0..10 {
        let ingest = opened.ingest.clone();
        let run = make::run_of("r", make::suite(50, seed));
        saves.spawn(async move { ingest.save(run, received_at()).await });
    }
    let answers = saves.join_all().await;
    let created = answers
        .iter()
        .filter(|answer| matches!(answer, Ok(Saved::Created)));
    assert_eq!(created.count(), 1);
    let refused = answers
        .iter()
        .filter(|answer| matches!(answer, Err(IngestError::Conflict)));
    assert_eq!(refused.count(), 9);
    opened.close().await;
}

async fn many_runs_at_the_same_moment_are_all_kept(db: &Database) {
    let opened = db.open().await;
    let mut saves = tokio::task::JoinSet::new();
    for number in 0..100 {
        let ingest = opened.ingest.clone();
        let mut cases = make::suite(100, number);
        cases.push(make::failed("t.py::always", "bad"));
        let run = make::run_of(&format!("r{number}"), cases);
        saves.spawn(async move { ingest.save(run, received_at()).await.unwrap() });
    }
    assert!(
        saves
            .join_all()
            .await
            .iter()
            .all(|saved| *saved == Saved::Created)
    );
    let top = queries::failure_stats::top(&opened.store, Some("shop"), 5)
        .await
        .unwrap();
    assert_eq!(
        (top[0].nodeid.as_str(), top[0].fail_count),
        ("t.py::always", 100)
    );
    let workers = queries::workers::list(&opened.store, None).await.unwrap();
    assert_eq!(workers[0].run_count, 100);
    opened.close().await;
}

async fn a_closed_writer_refuses_and_what_it_took_is_kept(db: &Database) {
    let opened = db.open().await;
    let mut saves = tokio::task::JoinSet::new();
    for number in 0..30 {
        let ingest = opened.ingest.clone();
        let run = make::run_of(&format!("r{number}"), make::suite(200, number));
        saves.spawn(async move { (number, ingest.save(run, received_at()).await) });
    }
    let (late, url) = (opened.ingest.clone(), db);
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    opened.close().await;
    let refused = late.save(make::run("late"), received_at()).await;
    assert!(
        matches!(&refused, Err(IngestError::Store(error)) if error.is_transient()),
        "{refused:?}"
    );

    let opened = url.open().await;
    for (number, answer) in saves.join_all().await {
        let stored = queries::runs::get(&opened.store, &format!("r{number}"))
            .await
            .unwrap();
        match answer {
            Ok(_) => assert!(stored.is_some(), "run {number} was promised and is gone"),
            Err(IngestError::Store(error)) => assert!(error.is_transient(), "{error}"),
            Err(other) => panic!("{other}"),
        }
    }
    opened.close().await;
}
