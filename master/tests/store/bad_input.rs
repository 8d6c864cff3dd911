//! What breaks a rule is refused by name, and nothing of it stays.

use master::ingest::IngestError;
use master::queries;
use shared::limits;
use shared::outcome::Outcome;
use shared::run::NewRun;

use crate::engines::{Database, Opened};
use crate::make;

on_both_engines!(
    a_test_that_is_there_twice_is_named,
    a_broken_rule_is_named,
    a_bad_run_does_not_sink_the_others,
);

async fn field_at_fault(opened: &Opened, run: NewRun) -> String {
    match opened.try_save(run).await {
        Err(IngestError::Invalid(invalid)) => invalid.field,
        other => panic!("{other:?}"),
    }
}

async fn a_test_that_is_there_twice_is_named(db: &Database) {
    let opened = db.open().await;
    let cases = || ["a", "b", "c", "b"].map(make::passed).to_vec();
    assert_eq!(
        field_at_fault(&opened, make::run_of("r", cases())).await,
        "cases[3].nodeid"
    );
    assert_eq!(queries::runs::get(&opened.store, "r").await.unwrap(), None);
    // The same once the tests are known.
    opened
        .save(make::run_of(
            "r",
            ["a", "b", "c"].map(make::passed).to_vec(),
        ))
        .await;
    assert_eq!(
        field_at_fault(&opened, make::run_of("s", cases())).await,
        "cases[3].nodeid"
    );
    opened.close().await;
}

async fn a_broken_rule_is_named(db: &Database) {
    let opened = db.open().await;
    let mut negative = make::run("r");
    negative.duration = -1.0;
    assert_eq!(field_at_fault(&opened, negative).await, "duration");
    let mut long = make::run_of("r", vec![make::passed("a")]);
    long.cases.as_mut().unwrap()[0].nodeid = "x".repeat(limits::NODEID_BYTES_MAX + 1);
    assert_eq!(field_at_fault(&opened, long).await, "cases[0].nodeid");
    let rerun = make::run_of("r", vec![shared::case::NewCase::new("a", Outcome::Rerun)]);
    assert_eq!(field_at_fault(&opened, rerun).await, "cases[0].outcome");
    let names = queries::names::projects(&opened.store).await.unwrap();
    assert_eq!(names, []);
    opened.close().await;
}

async fn a_bad_run_does_not_sink_the_others(db: &Database) {
    let opened = db.open().await;
    let good = |number: u64| make::run_of(&format!("good{number}"), make::suite(20, number));
    let bad = |number: u64| NewRun {
        duration: f64::NAN,
        ..make::run(&format!("bad{number}"))
    };
    let mut saves = tokio::task::JoinSet::new();
    for number in 0..20 {
        for run in [good(number), bad(number)] {
            let ingest = opened.ingest.clone();
            saves.spawn(async move {
                ingest
                    .save(run, crate::engines::received_at())
                    .await
                    .is_ok()
            });
        }
    }
    let kept = saves
        .join_all()
        .await
        .into_iter()
        .filter(|kept| *kept)
        .count();
    assert_eq!(kept, 20);
    opened.close().await;
}
