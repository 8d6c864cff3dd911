//! One run, reported to two masters at the same moment: as a client does that got no answer in time.

use std::time::Duration;

use master::ingest::{IngestError, Saved, StreamError};
use shared::stream::NewBatch;

use sqlx::Connection;

use crate::engines::{Database, Engine, received_at, with_database};
use crate::streams::{batch, finish, opening, rich};

on_both_engines!(
    a_whole_run_that_overtakes_its_own_finish_is_no_conflict,
    a_whole_run_sent_to_two_masters_is_stored_once,
);

/// Longer than any bound that the store may have on waiting for a lock.
const WAIT_MAX: Duration = Duration::from_mins(2);

/// Races: each may go either way.
const ROUNDS: u64 = 12;

async fn a_whole_run_that_overtakes_its_own_finish_is_no_conflict(db: &Database) {
    let masters = [db.open().await, db.open().await];
    for round in 0..ROUNDS {
        let run = rich(&format!("r{round}"), 3);
        let ingest = &masters[0].ingest;
        ingest.open(opening(&run), received_at()).await.unwrap();
        let first = batch(1, run.cases.as_deref().unwrap());
        ingest
            .append(&run.run_id, first, received_at())
            .await
            .unwrap();
        let (finished, saved) = tokio::join!(
            masters[0].ingest.finish(finish(&run, 1), received_at()),
            masters[1].try_save(run.clone()),
        );
        let saved = saved.unwrap();
        match finished {
            Ok(finished) => assert_ne!(finished, saved, "one of them stored it"),
            // The whole run was first, and how it was finished is then not known.
            Err(IngestError::Stream(StreamError::Finished)) => assert_eq!(saved, Saved::Created),
            Err(error) => panic!("{error}"),
        }
    }
    for master in masters {
        master.close().await;
    }
}

async fn a_whole_run_sent_to_two_masters_is_stored_once(db: &Database) {
    let masters = [db.open().await, db.open().await];
    for round in 0..ROUNDS {
        let run = rich(&format!("r{round}"), 3);
        let ingest = &masters[0].ingest;
        ingest.open(opening(&run), received_at()).await.unwrap();
        let (one, other) = tokio::join!(
            masters[0].try_save(run.clone()),
            masters[1].try_save(run.clone()),
        );
        let saved = [one.unwrap(), other.unwrap()];
        assert_ne!(saved[0], saved[1], "{saved:?}");
    }
    let workers = master::queries::workers::list(&masters[0].store, None).await;
    assert_eq!(workers.unwrap()[0].run_count, ROUNDS);
    for master in masters {
        master.close().await;
    }
}

/// Only PostgreSQL is shared by masters that may be stopped one by one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_stopped_in_a_transaction_does_not_stop_the_others_for_ever() {
    with_database(Engine::Postgres, |db| Box::pin(with_a_stopped_master(db))).await;
}

async fn with_a_stopped_master(db: &Database) {
    let opened = db.open().await;
    let run = rich("r", 3);
    opened
        .ingest
        .open(opening(&run), received_at())
        .await
        .unwrap();
    let mut stopped = sqlx::PgConnection::connect(&db.url).await.unwrap();
    for statement in ["begin", "update streams set pulse = pulse"] {
        sqlx::raw_sql(statement)
            .execute(&mut stopped)
            .await
            .unwrap();
    }
    let alive = opened
        .ingest
        .append("r", NewBatch::default(), received_at());
    let answer = tokio::time::timeout(WAIT_MAX, alive).await.unwrap();
    match answer {
        Err(IngestError::Store(error)) => assert!(error.is_transient(), "{error}"),
        answer => panic!("{answer:?}"),
    }
    opened.save(rich("other", 3)).await;
    sqlx::raw_sql("rollback")
        .execute(&mut stopped)
        .await
        .unwrap();
    let alive = opened
        .ingest
        .append("r", NewBatch::default(), received_at());
    assert_eq!(alive.await.unwrap().saved, Saved::Unchanged);
    stopped.close().await.unwrap();
    opened.close().await;
}
