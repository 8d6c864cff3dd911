//! What is asked often is counted when runs arrive.

use chrono::Duration;
use master::queries;
use master::queries::trend::TrendFilter;
use shared::answer::FailureStat;
use shared::case::NewCase;
use shared::outcome::Outcome;
use shared::status::RunStatus;

use crate::engines::{Database, received_at};
use crate::make;

on_both_engines!(
    a_test_counts_once_a_run_and_only_when_it_is_bad,
    a_test_that_somebody_stopped_has_not_failed,
    failures_are_counted_per_project_and_over_all,
    workers_are_listed_last_seen_first_with_their_mean_pass_rate,
    a_trend_is_oldest_first_and_ends_with_the_newest,
    projects_are_known_by_name,
);

async fn stats(db: &crate::engines::Opened, project: Option<&str>) -> Vec<(String, u64)> {
    let top = queries::failure_stats::top(&db.store, project, 100)
        .await
        .unwrap();
    let pair = |stat: FailureStat| (stat.nodeid, stat.fail_count);
    top.into_iter().map(pair).collect()
}

async fn a_test_counts_once_a_run_and_only_when_it_is_bad(db: &Database) {
    let opened = db.open().await;
    for run_id in ["r1", "r2"] {
        let mut cases: Vec<NewCase> = Outcome::ALL[1..]
            .iter()
            .map(|outcome| NewCase::new(format!("t.py::{outcome}"), *outcome))
            .collect();
        cases[0].outcomes = Some(vec![Outcome::Rerun, Outcome::Skipped]);
        opened.save(make::run_of(run_id, cases)).await;
    }
    let top = stats(&opened, None).await;
    let mut names: Vec<&str> = top.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "t.py::crashed",
            "t.py::error",
            "t.py::failed",
            "t.py::timeout"
        ]
    );
    assert!(top.iter().all(|(_, count)| *count == 2), "{top:?}");
    opened
        .save(make::contract_run(
            "r3",
            &["t.py::x", "t.py::x", "t.py::failed"],
        ))
        .await;
    let top = stats(&opened, Some("shop")).await;
    assert_eq!(top[0], ("t.py::failed".to_owned(), 3));
    assert_eq!(top.last(), Some(&("t.py::x".to_owned(), 1)));
    opened.close().await;
}

async fn a_test_that_somebody_stopped_has_not_failed(db: &Database) {
    let opened = db.open().await;
    for (run_id, status) in [
        ("cancelled", RunStatus::Interrupted),
        ("died", RunStatus::Crashed),
    ] {
        let mut run = make::run_of(run_id, vec![NewCase::new("t.py::slow", Outcome::Crashed)]);
        run.status = Some(status);
        opened.save(run).await;
        let expected = usize::from(status == RunStatus::Crashed);
        assert_eq!(stats(&opened, None).await.len(), expected, "{run_id}");
    }
    opened.close().await;
}

async fn failures_are_counted_per_project_and_over_all(db: &Database) {
    let opened = db.open().await;
    for (run_id, project) in [("r1", "one"), ("r2", "two"), ("r3", "two")] {
        let mut run = make::run_of(run_id, vec![make::failed("t.py::same", "no")]);
        run.project = project.to_owned();
        opened.save(run).await;
    }
    let same = |count| vec![("t.py::same".to_owned(), count)];
    assert_eq!(stats(&opened, Some("one")).await, same(1));
    assert_eq!(stats(&opened, Some("two")).await, same(2));
    assert_eq!(stats(&opened, None).await, same(3));
    assert_eq!(stats(&opened, Some("three")).await, []);
    opened.close().await;
}

async fn workers_are_listed_last_seen_first_with_their_mean_pass_rate(db: &Database) {
    let opened = db.open().await;
    for (number, worker, passed) in [(1, "old", 4), (2, "new", 2), (3, "old", 1), (4, "new", 4)] {
        let mut run = make::run(&format!("r{number}"));
        run.worker_id = worker.to_owned();
        (run.passed, run.total) = (passed, 4);
        opened
            .ingest
            .save(run, received_at() + Duration::seconds(number))
            .await
            .unwrap();
    }
    let workers = queries::workers::list(&opened.store, None).await.unwrap();
    let shown: Vec<_> = workers
        .iter()
        .map(|worker| {
            (
                worker.worker_id.as_str(),
                worker.run_count,
                worker.avg_pass_rate,
            )
        })
        .collect();
    assert_eq!(shown, [("new", 2, 75.0), ("old", 2, 62.5)]);
    assert_eq!(workers[0].last_seen, received_at() + Duration::seconds(4));
    opened.close().await;
}

async fn a_trend_is_oldest_first_and_ends_with_the_newest(db: &Database) {
    let opened = db.open().await;
    for number in 0..10u64 {
        let mut run = make::run(&format!("r{number}"));
        run.passed = number;
        run.project = String::from(if number % 2 == 0 { "even" } else { "odd" });
        run.branch = String::from(if number < 5 { "main" } else { "dev" });
        opened.save(run).await;
    }
    let filter = TrendFilter {
        limit: 3,
        ..TrendFilter::default()
    };
    let passed = async |filter: TrendFilter| {
        let points = queries::trend::last(&opened.store, &filter).await.unwrap();
        points.iter().map(|point| point.passed).collect::<Vec<_>>()
    };
    assert_eq!(passed(filter.clone()).await, [7, 8, 9]);
    let even = TrendFilter {
        project: Some("even".to_owned()),
        ..filter.clone()
    };
    assert_eq!(passed(even.clone()).await, [4, 6, 8]);
    let even_main = TrendFilter {
        branch: Some("main".to_owned()),
        ..even
    };
    assert_eq!(passed(even_main).await, [0, 2, 4]);
    let nobody = TrendFilter {
        worker_id: Some("nobody".to_owned()),
        ..filter
    };
    assert!(passed(nobody).await.is_empty());
    opened.close().await;
}

async fn projects_are_known_by_name(db: &Database) {
    let opened = db.open().await;
    for (run_id, project) in [("r1", "one"), ("r2", "two"), ("r3", "two")] {
        let mut run = make::run(run_id);
        run.project = project.to_owned();
        opened.save(run).await;
    }
    let names = queries::names::projects(&opened.store).await.unwrap();
    let names: Vec<_> = names
        .iter()
        .map(|name| (name.project.as_str(), name.run_count))
        .collect();
    assert_eq!(names, [("two", 2), ("one", 1)]);
    opened.close().await;
}
