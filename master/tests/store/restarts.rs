//! What was promised is there after a restart, and several masters share one PostgreSQL.

use master::ingest::Saved;
use master::queries;
use master::store::{Store, StoreError};

use crate::engines::{Database, received_at};
use crate::make;

on_both_engines!(
    everything_is_there_after_a_restart,
    an_existing_database_is_opened_as_it_is,
    a_database_that_a_later_version_added_to_is_opened,
    two_masters_on_one_database_do_not_disturb_one_another,
);

async fn everything_is_there_after_a_restart(db: &Database) {
    let opened = db.open().await;
    let mut cases = make::suite(1_000, 5);
    cases.push(make::failed("t.py::bad", "no"));
    opened.save(make::run_of("r1", cases.clone())).await;
    let before = queries::runs::get(&opened.store, "r1").await.unwrap();
    opened.close().await;

    let opened = db.open().await;
    assert_eq!(
        queries::runs::get(&opened.store, "r1").await.unwrap(),
        before
    );
    // The cache is cold: the same run is recognised, and a new one finds its tests.
    let again = opened
        .try_save(make::run_of("r1", cases.clone()))
        .await
        .unwrap();
    assert_eq!(again, Saved::Unchanged);
    cases.truncate(500);
    cases.push(make::failed("t.py::bad", "no"));
    cases.push(make::passed("t.py::new"));
    opened.save(make::run_of("r2", cases)).await;
    let top = queries::failure_stats::top(&opened.store, Some("shop"), 5)
        .await
        .unwrap();
    assert_eq!(
        (top[0].nodeid.as_str(), top[0].fail_count),
        ("t.py::bad", 2)
    );
    opened.close().await;
}

async fn an_existing_database_is_opened_as_it_is(db: &Database) {
    for round in 0..3 {
        let opened = db.open().await;
        opened.save(make::run(&format!("r{round}"))).await;
        opened.close().await;
    }
    let opened = db.open().await;
    let filter = queries::runs::RunsFilter {
        limit: 10,
        ..Default::default()
    };
    assert_eq!(
        queries::runs::list(&opened.store, &filter)
            .await
            .unwrap()
            .len(),
        3
    );
    opened.close().await;
}

async fn a_database_that_a_later_version_added_to_is_opened(db: &Database) {
    let opened = db.open().await;
    opened.save(make::run("r1")).await;
    opened.close().await;
    for change in [
        "create table of_a_later_version (id bigint primary key)",
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
         select 9999, 'of a later version', success, checksum, execution_time \
         from _sqlx_migrations where version = 1",
    ] {
        db.execute(change).await;
    }
    let opened = db.open().await;
    assert!(
        queries::runs::get(&opened.store, "r1")
            .await
            .unwrap()
            .is_some()
    );
    opened.save(make::run("r2")).await;
    opened.close().await;
}

async fn two_masters_on_one_database_do_not_disturb_one_another(db: &Database) {
    let masters = [db.open().await, db.open().await];
    let mut saves = tokio::task::JoinSet::new();
    for number in 0..60u64 {
        // The same new tests, in another order on each side, and now and then the same run.
        let mut cases = make::suite(300, number / 2);
        cases.extend((0..20).map(|n| make::failed(&format!("t.py::bad{n}"), "the same text")));
        if number % 2 == 1 {
            cases.reverse();
        }
        let shared_run = number / 2 % 5 == 0;
        let run_id = if shared_run {
            number / 2
        } else {
            1_000 + number
        };
        let run = make::run_of(&format!("r{run_id}"), cases);
        let ingest = masters[(number % 2) as usize].ingest.clone();
        saves.spawn(async move { ingest.save(run, received_at()).await });
    }
    let answers: Vec<_> = saves
        .join_all()
        .await
        .into_iter()
        .map(|answer| answer.unwrap())
        .collect();
    let created = answers
        .iter()
        .filter(|saved| **saved == Saved::Created)
        .count();
    assert_eq!(created, 54);
    let top = queries::failure_stats::top(&masters[1].store, Some("shop"), 30)
        .await
        .unwrap();
    assert_eq!(top.len(), 20);
    assert!(top.iter().all(|stat| stat.fail_count == 54), "{top:?}");
    let workers = queries::workers::list(&masters[0].store, None)
        .await
        .unwrap();
    assert_eq!(workers[0].run_count, 54);
    for master in masters {
        master.close().await;
    }
}

#[tokio::test]
async fn a_url_that_cannot_be_used_is_refused() {
    for url in [
        "",
        "results.db",
        "mysql://localhost/x",
        "sqlite::memory:",
        "sqlite://:memory:",
        "sqlite://x?mode=memory",
        "postgres://nobody@127.0.0.1:port/none",
    ] {
        match Store::open(url).await {
            Err(StoreError::Url(_)) => {}
            other => panic!("{url}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_may_be_there_later() {
    let error = Store::open("postgres://nobody@127.0.0.1:1/none")
        .await
        .unwrap_err();
    assert!(error.is_transient(), "{error}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let error = Store::open("sqlite:///proc/none/results.db")
        .await
        .unwrap_err();
    assert!(error.to_string().contains("/proc/none"), "{error}");
}
