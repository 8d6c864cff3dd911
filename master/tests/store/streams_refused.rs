//! What a run that is reported while it goes on does not take, and that nothing of it is stored.

use master::ingest::{IngestError, Saved, StreamError};
use master::queries;
use shared::case::{CaseFailure, NewCase};
use shared::limits;
use shared::outcome::Outcome;
use shared::run::NewRun;
use shared::status::RunStatus;
use shared::stream::NewBatch;

use crate::engines::{Database, Opened, received_at};
use crate::make;
use crate::streams::{batch, finish, get, list, opening, rich, stream};

on_both_engines!(
    a_run_that_nobody_opened_takes_nothing,
    another_opening_is_a_conflict,
    batches_come_in_order_and_each_number_once,
    a_finish_needs_all_batches_and_the_same_worker,
    a_finished_run_takes_nothing_more,
    an_opening_with_results_is_refused,
    a_test_twice_in_one_batch_is_refused,
    all_batches_together_are_bounded_in_bytes,
    what_is_read_with_every_batch_is_bounded_in_bytes,
    a_run_in_pieces_has_no_more_objects_than_one_sent_whole,
    a_finish_is_forgotten_after_its_time,
);

fn refusal<T: std::fmt::Debug>(answer: Result<T, IngestError>) -> StreamError {
    match answer {
        Err(IngestError::Stream(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

fn field<T: std::fmt::Debug>(answer: Result<T, IngestError>) -> String {
    match answer {
        Err(IngestError::Invalid(invalid)) => invalid.field,
        other => panic!("{other:?}"),
    }
}

async fn append(opened: &Opened, batch: NewBatch) -> Result<Saved, IngestError> {
    let streamed = opened.ingest.append("r", batch, received_at()).await;
    streamed.map(|streamed| streamed.saved)
}

async fn a_run_that_nobody_opened_takes_nothing(db: &Database) {
    let opened = db.open().await;
    let not_found = StreamError::NotFound("r".to_owned());
    let one = batch(1, &[make::passed("a")]);
    assert_eq!(refusal(append(&opened, one).await), not_found);
    assert_eq!(
        refusal(append(&opened, NewBatch::default()).await),
        not_found
    );
    let end = finish(&make::run("r"), 0);
    assert_eq!(
        refusal(opened.ingest.finish(end, received_at()).await),
        not_found
    );
    assert!(list(&opened, None).await.is_empty());
    opened.close().await;
}

async fn another_opening_is_a_conflict(db: &Database) {
    let opened = db.open().await;
    let open = async |run: NewRun| opened.ingest.open(run, received_at()).await;
    let first = opening(&make::run("r"));
    open(first.clone()).await.unwrap();
    let mut worker = first.clone();
    worker.worker_id.push('x');
    let mut branch = first.clone();
    branch.branch.push('x');
    for other in [worker.clone(), branch] {
        let answer = open(other).await;
        assert!(matches!(answer, Err(IngestError::Conflict)), "{answer:?}");
    }
    open(first).await.unwrap();
    // A run that was sent whole.
    opened.save(make::run("whole")).await;
    let finished = refusal(open(opening(&make::run("whole"))).await);
    assert_eq!(finished, StreamError::Finished);
    "whole".clone_into(&mut worker.run_id);
    let answer = open(worker).await;
    assert!(matches!(answer, Err(IngestError::Conflict)), "{answer:?}");
    opened.close().await;
}

async fn batches_come_in_order_and_each_number_once(db: &Database) {
    let opened = db.open().await;
    let run = make::run_of("r", vec![make::passed("a"), make::passed("b")]);
    opened
        .ingest
        .open(opening(&run), received_at())
        .await
        .unwrap();
    let one = batch(1, &[make::passed("a")]);
    let gap = refusal(append(&opened, batch(2, &[make::passed("b")])).await);
    assert_eq!(gap, StreamError::BatchGap { next: 1 });
    assert_eq!(append(&opened, one.clone()).await.unwrap(), Saved::Created);
    let gap = refusal(append(&opened, batch(3, &[make::passed("b")])).await);
    assert_eq!(gap, StreamError::BatchGap { next: 2 });
    let other = NewBatch {
        batch_id: "another".to_owned(),
        ..one.clone()
    };
    let conflict = refusal(append(&opened, other).await);
    assert_eq!(conflict, StreamError::BatchConflict { number: 1 });
    assert_eq!(append(&opened, one).await.unwrap(), Saved::Unchanged);
    assert_eq!(list(&opened, None).await[0].total, 1);
    append(&opened, batch(2, &[make::passed("b")]))
        .await
        .unwrap();
    opened
        .ingest
        .finish(finish(&run, 2), received_at())
        .await
        .unwrap();
    assert_eq!(opened.try_save(run).await.unwrap(), Saved::Unchanged);
    opened.close().await;
}

async fn a_finish_needs_all_batches_and_the_same_worker(db: &Database) {
    let opened = db.open().await;
    let run = make::run_of("r", vec![make::passed("a")]);
    opened
        .ingest
        .open(opening(&run), received_at())
        .await
        .unwrap();
    append(&opened, batch(1, run.cases.as_ref().unwrap()))
        .await
        .unwrap();
    let end = async |finish| opened.ingest.finish(finish, received_at()).await;
    let missing = refusal(end(finish(&run, 2)).await);
    assert_eq!(missing, StreamError::BatchesMissing { kept: 1 });
    let left_over = refusal(end(finish(&run, 0)).await);
    assert_eq!(left_over, StreamError::BatchesLeftOver { kept: 1 });
    let mut stranger = finish(&run, 1);
    stranger.run.worker_id.push('x');
    let answer = end(stranger).await;
    assert!(matches!(answer, Err(IngestError::Conflict)), "{answer:?}");
    let mut with_cases = finish(&run, 1);
    with_cases.run.cases = Some(vec![make::passed("b")]);
    assert_eq!(field(end(with_cases).await), "run.cases");
    let mut wrong = finish(&run, 1);
    wrong.run.duration = -1.0;
    assert_eq!(field(end(wrong).await), "run.duration");
    assert_eq!(get(&opened, "r").await.status, RunStatus::Running);
    end(finish(&run, 1)).await.unwrap();
    opened.close().await;
}

async fn a_finished_run_takes_nothing_more(db: &Database) {
    let opened = db.open().await;
    let run = rich("r", 1);
    stream(&opened.ingest, &run, 100).await;
    let before = get(&opened, "r").await;
    let finished = StreamError::Finished;
    assert_eq!(
        refusal(append(&opened, batch(3, &[make::passed("a")])).await),
        finished
    );
    assert_eq!(
        refusal(append(&opened, NewBatch::default()).await),
        finished
    );
    let open = opened.ingest.open(opening(&run), received_at()).await;
    assert_eq!(refusal(open), finished);
    let mut other = finish(&run, 2);
    other.run.duration += 1.0;
    assert_eq!(
        refusal(opened.ingest.finish(other, received_at()).await),
        finished
    );
    assert_eq!(get(&opened, "r").await, before);
    let mut whole = run;
    whole.duration += 1.0;
    let answer = opened.try_save(whole).await;
    assert!(matches!(answer, Err(IngestError::Conflict)), "{answer:?}");
    opened.close().await;
}

async fn an_opening_with_results_is_refused(db: &Database) {
    let opened = db.open().await;
    let open = async |change: fn(&mut NewRun)| {
        let mut run = make::run("r");
        change(&mut run);
        field(opened.ingest.open(run, received_at()).await)
    };
    assert_eq!(
        open(|run| run.cases = Some(vec![make::passed("a")])).await,
        "cases"
    );
    assert_eq!(
        open(|run| run.failures.push(make::failure("a"))).await,
        "failures"
    );
    assert_eq!(
        open(|run| run.status = Some(RunStatus::Failed)).await,
        "status"
    );
    assert_eq!(open(|run| run.worker_id.clear()).await, "worker_id");
    assert!(list(&opened, None).await.is_empty());
    opened.close().await;
}

async fn a_test_twice_in_one_batch_is_refused(db: &Database) {
    let opened = db.open().await;
    opened
        .ingest
        .open(opening(&make::run("r")), received_at())
        .await
        .unwrap();
    let twice = [make::passed("a"), make::passed("b"), make::passed("a")];
    assert_eq!(
        field(append(&opened, batch(1, &twice)).await),
        "cases[2].nodeid"
    );
    let bad = [NewCase::new("", Outcome::Passed)];
    assert_eq!(
        field(append(&opened, batch(1, &bad)).await),
        "cases[0].nodeid"
    );
    let mut nameless = batch(1, &[make::passed("a")]);
    nameless.batch_id.clear();
    assert_eq!(field(append(&opened, nameless).await), "batch_id");
    assert_eq!(
        append(&opened, batch(1, &twice[..2])).await.unwrap(),
        Saved::Created
    );
    opened.close().await;
}

async fn a_run_in_pieces_has_no_more_objects_than_one_sent_whole(db: &Database) {
    let opened = db.open().await;
    let run = opening(&make::run("r"));
    opened.ingest.open(run, received_at()).await.unwrap();
    let objects = limits::BATCH_CASES_MAX * (1 + limits::CASE_FAILURES_MAX);
    let fit = limits::BODY_OBJECTS_MAX / objects;
    for number in 1..=fit + 1 {
        let case = |test| NewCase {
            failures: vec![CaseFailure::default(); limits::CASE_FAILURES_MAX],
            ..NewCase::new(format!("t.py::{number}-{test}"), Outcome::Failed)
        };
        let cases: Vec<NewCase> = (0..limits::BATCH_CASES_MAX).map(case).collect();
        let answer = append(&opened, batch(number as u64, &cases)).await;
        if number <= fit {
            answer.unwrap();
        } else {
            assert_eq!(refusal(answer), StreamError::TooLarge);
        }
    }
    opened.close().await;
}

async fn what_is_read_with_every_batch_is_bounded_in_bytes(db: &Database) {
    let opened = db.open().await;
    let nodeids = |count: usize| -> Vec<String> {
        let nodeid = |number| format!("{number:0>width$}", width = limits::NODEID_BYTES_MAX);
        (0..count).map(nodeid).collect()
    };
    let mut large = opening(&make::run("r"));
    large.not_run = nodeids(limits::OPENING_BYTES_MAX / limits::NODEID_BYTES_MAX);
    let refused = refusal(opened.ingest.open(large.clone(), received_at()).await);
    assert_eq!(refused, StreamError::OpeningTooLarge);
    large.not_run.pop();
    opened.ingest.open(large, received_at()).await.unwrap();

    let mut alive = NewBatch::default();
    alive.progress.running = nodeids(1_000);
    append(&opened, alive).await.unwrap();
    let run = get(&opened, "r").await;
    let fit = limits::PROGRESS_BYTES_MAX / limits::NODEID_BYTES_MAX;
    assert_eq!((run.running.len(), run.running_count), (fit, 1_000));
    opened.close().await;
}

async fn all_batches_together_are_bounded_in_bytes(db: &Database) {
    let opened = db.open().await;
    opened
        .ingest
        .open(opening(&make::run("r")), received_at())
        .await
        .unwrap();
    let text = "x".repeat(limits::TRACEBACK_BYTES_MAX);
    let mut number = 0;
    let refused = loop {
        number += 1;
        let cases: Vec<NewCase> = (0..50)
            .map(|test| {
                let mut case = make::failed(&format!("t.py::{number}-{test}"), "no");
                case.failures[0].traceback.clone_from(&text);
                case
            })
            .collect();
        match append(&opened, batch(number, &cases)).await {
            Ok(_) => assert!(number < 100, "nothing bounds it"),
            refused => break refusal(refused),
        }
    };
    assert_eq!(refused, StreamError::TooLarge);
    let fit = limits::BODY_BYTES_MAX / (50 * limits::TRACEBACK_BYTES_MAX);
    assert_eq!(number, fit as u64 + 1);
    assert_eq!(list(&opened, None).await[0].total, 50 * fit as u64);
    // A smaller one still has room.
    append(&opened, batch(number, &[make::passed("a")]))
        .await
        .unwrap();
    opened.close().await;
}

async fn a_finish_is_forgotten_after_its_time(db: &Database) {
    let opened = db.open().await;
    let ingest = &opened.ingest;
    let run = rich("r", 1);
    stream(ingest, &run, 100).await;
    ingest
        .open(opening(&make::run("open")), received_at())
        .await
        .unwrap();
    assert_eq!(ingest.forget_finished(received_at()).await.unwrap(), 0);
    let again = ingest.finish(finish(&run, 2), received_at()).await.unwrap();
    assert_eq!(again, Saved::Unchanged);
    let later = received_at() + chrono::Duration::seconds(1);
    assert_eq!(ingest.forget_finished(later).await.unwrap(), 1);
    let again = refusal(ingest.finish(finish(&run, 2), received_at()).await);
    assert_eq!(again, StreamError::Finished);
    // The run itself is not forgotten, and neither is one that goes on.
    assert_eq!(opened.try_save(run).await.unwrap(), Saved::Unchanged);
    assert_eq!(ingest.live().await.unwrap().len(), 1);
    let found = queries::runs::get(&opened.store, "open").await.unwrap();
    assert_eq!(found.unwrap().status, RunStatus::Running);
    opened.close().await;
}
