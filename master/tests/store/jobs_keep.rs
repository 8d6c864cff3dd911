//! For how long jobs are kept, and how their logs are kept when they are over.

use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use master::queries::runs;
use shared::lease::{AttemptEnding, Lease};

use crate::engines::{Database, Engine};
use crate::jobs::Queue;
use crate::library::{count, execute};
use crate::make::{passed, run_of};

on_both_engines!(
    a_job_that_ended_long_ago_is_deleted_and_its_run_stays,
    very_many_old_jobs_are_deleted_a_part_at_a_time,
    the_log_of_a_job_that_is_over_becomes_few_rows_and_reads_the_same,
    a_log_that_two_masters_join_at_once_reads_the_same,
);

const WHOLE: usize = 100 * 1024 * 1024;
const DAY_US: i64 = 86_400_000_000;

/// Adds pieces to the log of an attempt, the first of them at its beginning.
async fn append(queue: &Queue, lease: &Lease, pieces: &[&[u8]]) {
    let mut offset = 0;
    for piece in pieces {
        let sent = Bytes::copy_from_slice(piece);
        let kept = queue
            .jobs
            .append_log(lease.job, lease.attempt, offset, sent);
        offset += piece.len() as u64;
        assert_eq!(kept.await.unwrap().bytes, offset);
    }
}

/// So many lines.
fn lines(count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("line {number} é\n"))
        .collect()
}

/// A job that has passed, with a line in its log.
async fn over(queue: &Queue) -> Lease {
    queue.add_to("7").await;
    let lease = queue.lease("agent-a").await;
    append(queue, &lease, &[b"line\n"]).await;
    queue.finish(&lease, AttemptEnding::Passed).await;
    lease
}

async fn rows(db: &Database, table: &str, job: i64) -> i64 {
    count(
        db,
        &format!("select count(*) from {table} where job = {job}"),
    )
    .await
}

async fn a_job_that_ended_long_ago_is_deleted_and_its_run_stays(db: &Database) {
    let queue = Queue::open(db).await;
    let old = over(&queue).await;
    let run = run_of(&old.run_id, vec![passed("t.py::good")]);
    queue.opened.save(run).await;
    let young = over(&queue).await;
    for (lease, days) in [(&old, 91), (&young, 89)] {
        let (job, us) = (lease.job, days * DAY_US);
        execute(
            db,
            &format!("update jobs set finished_us = finished_us - {us} where id = {job}"),
        )
        .await;
    }
    let waiting = queue.add_to("7").await;
    let long_ago = "update jobs set created_us = 0, queued_us = 0 where finished_us is null";
    execute(db, long_ago).await;
    let running = queue.add_to("8").await;
    let next = queue.lease("agent-b").await;
    assert_eq!(next.job, waiting);
    let before = Utc::now() - TimeDelta::days(90);
    assert_eq!(queue.jobs.forget_finished(before).await.unwrap(), 1);
    assert_eq!(queue.jobs.forget_finished(before).await.unwrap(), 0);
    let gone = queue.jobs.get(&old.job.to_string(), None).await;
    assert!(gone.is_err(), "{gone:?}");
    for table in ["attempts", "transitions", "job_logs"] {
        assert_eq!(rows(db, table, old.job).await, 0, "{table}");
        assert!(rows(db, table, young.job).await > 0, "{table}");
    }
    for id in [young.job, waiting, running] {
        assert_eq!(queue.get(id).await.id, id);
    }
    let run = runs::get(&queue.opened.store, &old.run_id).await.unwrap();
    assert_eq!(run.unwrap().passed, 1);
    queue.close().await;
}

async fn very_many_old_jobs_are_deleted_a_part_at_a_time(db: &Database) {
    let queue = Queue::open(db).await;
    over(&queue).await;
    let copies = "insert into jobs (uuid, kind, project, username, labels, is_task, lane, priority, \
         timeout_s, attempts_max, wait_max_s, state, cancel_requested, forgotten, created_us, \
         queued_us, finished_us, attempt_number, attempts_counted, log_bytes, spec) \
         with recursive numbers (number) as (\
             select 1 union all select number + 1 from numbers where number < 2500) \
         select 'copy-' || numbers.number, kind, project, username, labels, is_task, lane, priority, \
         timeout_s, attempts_max, wait_max_s, state, cancel_requested, forgotten, created_us, \
         queued_us, finished_us, attempt_number, attempts_counted, log_bytes, spec \
         from jobs, numbers";
    execute(db, copies).await;
    let all = Utc::now() + TimeDelta::days(1);
    let first = queue.jobs.forget_finished(all).await.unwrap();
    assert_eq!(first, 2_000);
    assert_eq!(queue.jobs.forget_finished(all).await.unwrap(), 501);
    assert_eq!(count(db, "select count(*) from jobs").await, 0);
    queue.close().await;
}

async fn the_log_of_a_job_that_is_over_becomes_few_rows_and_reads_the_same(db: &Database) {
    let queue = Queue::open(db).await;
    queue.add_to("7").await;
    let lease = queue.lease("agent-a").await;
    let lines = lines(60);
    let pieces: Vec<&[u8]> = lines.iter().map(String::as_bytes).collect();
    append(&queue, &lease, &pieces).await;
    queue.finish(&lease, AttemptEnding::Released).await;
    let lease = queue.lease("agent-b").await;
    let large = "x y z ".repeat(100_000).into_bytes();
    append(&queue, &lease, &[large.as_slice(), b"between\n"].repeat(3)).await;
    let id = lease.job;
    let read = async |from: u64, bytes| queue.jobs.log(id, from, bytes).await.unwrap();
    let whole = read(0, WHOLE).await;
    let before = rows(db, "job_logs", id).await;
    // The log of a job that runs still grows.
    assert_eq!(queue.jobs.join_logs().await.unwrap(), 0);
    assert_eq!(rows(db, "job_logs", id).await, before);
    queue.finish(&lease, AttemptEnding::Passed).await;
    assert_eq!(queue.jobs.join_logs().await.unwrap(), 1);
    let after = rows(db, "job_logs", id).await;
    // Two of the large ones are more than one row may hold.
    assert!(after == 3 && before > 60, "{before} became {after}");
    assert_eq!(queue.jobs.join_logs().await.unwrap(), 0);
    assert_eq!(read(0, WHOLE).await, whole);
    for from in (0..whole.len()).step_by(99_991) {
        let last = (from + 1_000).min(whole.len());
        assert_eq!(read(from as u64, 1_000).await, &whole[from..last], "{from}");
    }
    let tail = queue.jobs.log_tail(id, 5).await.unwrap();
    assert_eq!(tail, &whole[whole.len() - 5..]);
    queue.close().await;
}

async fn a_log_that_two_masters_join_at_once_reads_the_same(db: &Database) {
    let queue = Queue::open(db).await;
    let other = match db.engine {
        Engine::Sqlite => queue.jobs.clone(),
        Engine::Postgres => master::jobs::Jobs::new(
            master::store::Store::open(&db.url).await.unwrap(),
            crate::jobs::LEASE,
        ),
    };
    for _ in 0..6 {
        queue.add_to("7").await;
        let lease = queue.lease("agent-a").await;
        let lines = lines(20);
        let pieces: Vec<&[u8]> = lines.iter().map(String::as_bytes).collect();
        append(&queue, &lease, &pieces).await;
        queue.finish(&lease, AttemptEnding::Passed).await;
        let whole = queue.jobs.log(lease.job, 0, WHOLE).await.unwrap();
        let (one, two) = tokio::join!(queue.jobs.join_logs(), other.join_logs());
        one.unwrap();
        two.unwrap();
        queue.jobs.join_logs().await.unwrap();
        assert_eq!(rows(db, "job_logs", lease.job).await, 1);
        let joined = queue.jobs.log(lease.job, 0, WHOLE).await.unwrap();
        assert_eq!(joined, whole);
    }
    queue.close().await;
}
