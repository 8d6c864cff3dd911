//! Lists of runs: newest first, filtered, and whole although runs keep arriving.

use master::queries;
use master::queries::runs::RunsFilter;
use shared::status::RunStatus;

use crate::engines::{Database, Opened};
use crate::make;

on_both_engines!(every_filter_filters, pages_have_no_gaps_while_runs_arrive,);

async fn ids(opened: &Opened, filter: RunsFilter) -> Vec<String> {
    let runs = queries::runs::list(&opened.store, &filter).await.unwrap();
    runs.into_iter().map(|run| run.run_id).collect()
}

async fn every_filter_filters(db: &Database) {
    let opened = db.open().await;
    let day = |day: u32| shared::time::parse(&format!("2026-11-{day:02}T00:00:00Z"));
    for number in 1..=4u32 {
        let mut run = make::run(&format!("r{number}"));
        run.timestamp = day(number);
        run.worker_id = format!("w{}", number % 2);
        run.project = format!("p{}", number % 3);
        run.branch = String::from(if number == 4 { "dev" } else { "main" });
        run.commit = format!("{number}abcdef0123");
        run.failed = u64::from(number == 2);
        opened.save(run).await;
    }
    let all = RunsFilter {
        limit: 50,
        ..RunsFilter::default()
    };
    let some = |text: &str| Some(text.to_owned());
    let with = |change: fn(&mut RunsFilter)| {
        let mut filter = all.clone();
        change(&mut filter);
        filter
    };
    assert_eq!(ids(&opened, all.clone()).await, ["r4", "r3", "r2", "r1"]);
    assert_eq!(ids(&opened, with(|f| f.limit = 2)).await, ["r4", "r3"]);
    let worker = RunsFilter {
        worker_id: some("w1"),
        ..all.clone()
    };
    assert_eq!(ids(&opened, worker).await, ["r3", "r1"]);
    let project = RunsFilter {
        project: some("p1"),
        ..all.clone()
    };
    assert_eq!(ids(&opened, project.clone()).await, ["r4", "r1"]);
    let branch = RunsFilter {
        branch: some("dev"),
        ..project
    };
    assert_eq!(ids(&opened, branch).await, ["r4"]);
    let commit = RunsFilter {
        commit: some("3abcdef"),
        ..all.clone()
    };
    assert_eq!(ids(&opened, commit).await, ["r3"]);
    let commit = RunsFilter {
        commit: some("2abcdef0123"),
        ..all.clone()
    };
    assert_eq!(ids(&opened, commit).await, ["r2"]);
    assert_eq!(
        ids(&opened, with(|f| f.status = Some(RunStatus::Failed))).await,
        ["r2"]
    );
    let between = RunsFilter {
        since: day(2),
        until: day(4),
        ..all.clone()
    };
    assert_eq!(ids(&opened, between).await, ["r3", "r2"]);
    opened.close().await;
}

async fn pages_have_no_gaps_while_runs_arrive(db: &Database) {
    let opened = db.open().await;
    for number in 0..50 {
        opened.save(make::run(&format!("old{number}"))).await;
    }
    let mut filter = RunsFilter {
        limit: 7,
        ..RunsFilter::default()
    };
    let mut seen = Vec::new();
    loop {
        let page = queries::runs::list(&opened.store, &filter).await.unwrap();
        let Some(last) = page.last() else {
            break;
        };
        filter.before = Some(last.id);
        seen.extend(page.into_iter().map(|run| run.run_id));
        opened.save(make::run(&format!("new{}", seen.len()))).await;
    }
    let expected: Vec<String> = (0..50).rev().map(|number| format!("old{number}")).collect();
    assert_eq!(seen, expected);
    opened.close().await;
}
