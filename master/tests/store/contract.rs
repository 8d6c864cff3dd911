//! A client that sends only what the contract names gets back exactly that.

use master::queries;
use master::queries::case::FoundCase;
use master::queries::cases::CasesFilter;
use shared::run::RunFailure;
use shared::status::RunStatus;

use crate::engines::{Database, received_at};
use crate::make;

on_both_engines!(
    counts_and_failures_come_back_as_sent,
    the_two_required_fields_are_enough,
    an_unknown_run_is_unknown,
    a_run_without_cases_has_an_empty_list_of_cases,
);

async fn counts_and_failures_come_back_as_sent(db: &Database) {
    let opened = db.open().await;
    let mut run = make::contract_run("r1", &["t.py::b", "t.py::a", "t.py::b"]);
    run.failures.push(RunFailure {
        nodeid: "t.py::silent".to_owned(),
        ..RunFailure::default()
    });
    run.timestamp = shared::time::parse("2026-11-20T08:00:00.000001Z");
    run.pass_rate = Some(76.923_076_9);
    run.duration = 12.345_678_9;
    run.skipped = 2;
    run.error = 1;
    opened.save(run.clone()).await;

    let stored = queries::runs::get(&opened.store, "r1")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stored.failures, run.failures);
    assert_eq!(stored.timestamp, run.timestamp.unwrap());
    assert_eq!(stored.received_at, received_at());
    assert_eq!(
        (
            stored.passed,
            stored.failed,
            stored.error,
            stored.skipped,
            stored.total
        ),
        (10, 3, 1, 2, 13)
    );
    assert_eq!(
        (stored.duration, stored.pass_rate),
        (12.345_678_9, 76.923_076_9)
    );
    assert_eq!(
        (
            stored.worker_id.as_str(),
            stored.project.as_str(),
            stored.branch.as_str()
        ),
        ("worker-1", "shop", "main")
    );
    assert_eq!(
        (stored.status, stored.complete, stored.finished),
        (RunStatus::Failed, true, true)
    );
    assert!(stored.id > 0);
    opened.close().await;
}

async fn the_two_required_fields_are_enough(db: &Database) {
    let opened = db.open().await;
    let run = serde_json::from_str(r#"{"run_id": "r", "worker_id": "w"}"#).unwrap();
    opened.save(run).await;
    let stored = queries::runs::get(&opened.store, "r")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stored.timestamp, received_at());
    assert_eq!(
        (stored.project.as_str(), stored.total, stored.pass_rate),
        ("", 0, 0.0)
    );
    assert_eq!(stored.status, RunStatus::Passed);
    opened.close().await;
}

async fn an_unknown_run_is_unknown(db: &Database) {
    let opened = db.open().await;
    let store = &opened.store;
    assert_eq!(queries::runs::get(store, "none").await.unwrap(), None);
    assert_eq!(
        queries::cases::list(store, "none", &CasesFilter::default())
            .await
            .unwrap(),
        None
    );
    let case = queries::case::get(store, "none", "t.py::a").await.unwrap();
    assert_eq!(case, FoundCase::UnknownRun);
    store.ping().await.unwrap();
    opened.close().await;
}

async fn a_run_without_cases_has_an_empty_list_of_cases(db: &Database) {
    let opened = db.open().await;
    opened.save(make::contract_run("r", &["t.py::a"])).await;
    let filter = CasesFilter {
        limit: 10,
        ..CasesFilter::default()
    };
    let page = queries::cases::list(&opened.store, "r", &filter)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((page.cases.len(), page.next), (0, None));
    let case = queries::case::get(&opened.store, "r", "t.py::a")
        .await
        .unwrap();
    assert_eq!(case, FoundCase::UnknownCase);
    opened.close().await;
}
