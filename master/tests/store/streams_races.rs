//! One run, reported to two masters at the same moment: as a client does that got no answer in time.

use master::ingest::{IngestError, Saved, StreamError};

use crate::engines::{Database, received_at};
use crate::streams::{batch, finish, opening, rich};

on_both_engines!(
    a_whole_run_that_overtakes_its_own_finish_is_no_conflict,
    a_whole_run_sent_to_two_masters_is_stored_once,
);

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
    let workers = master::queries::workers::list(&masters[0].store).await;
    assert_eq!(workers.unwrap()[0].run_count, ROUNDS);
    for master in masters {
        master.close().await;
    }
}
