//! Cancelling, repeating, deleting.

use bytes::Bytes;
use chrono::Utc;
use master::jobs::{JobsError, JobsFilter};
use shared::case::NewCase;
use shared::job::{Job, JobKind, JobState, NewJob, Rerun};
use shared::lease::{AttemptEnding, Lease};
use shared::outcome::Outcome;
use shared::run::NewRun;

use crate::engines::Database;
use crate::jobs::{Queue, job_in, request};
use crate::make::{failed, passed, run_of};

on_both_engines!(
    a_job_that_waits_is_cancelled_at_once,
    the_agent_of_a_job_that_runs_hears_that_it_is_to_end,
    a_job_that_is_to_end_is_not_begun_again,
    a_job_is_repeated_as_it_was,
    only_what_did_not_pass_is_repeated,
    what_never_ran_is_repeated_as_well,
    a_job_is_deleted_when_it_is_over,
    a_job_that_is_forgotten_is_seen_by_nobody,
    the_jobs_of_a_kind_that_are_over_are_deleted,
);

async fn rerun(queue: &Queue, id: i64, failed_only: bool, by: &str) -> Result<Job, JobsError> {
    let rerun = Rerun {
        uuid: None,
        failed_only,
    };
    Ok(queue.jobs.rerun(id, rerun, by).await?.job)
}

fn wrong_state<T: std::fmt::Debug>(outcome: Result<T, JobsError>) -> String {
    match outcome {
        Err(JobsError::WrongState(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

fn is_unknown<T>(outcome: &Result<T, JobsError>) -> bool {
    matches!(outcome, Err(JobsError::NotFound(_)))
}

async fn a_job_that_waits_is_cancelled_at_once(db: &Database) {
    let queue = Queue::open(db).await;
    let id = queue.add_to("7").await;
    let cancelled = queue.jobs.cancel(id, "ann").await.unwrap();
    assert_eq!(cancelled.state, JobState::Cancelled);
    assert!(cancelled.finished_at.is_some());
    let job = queue.get(id).await;
    assert_eq!(job.transitions[1].why, "cancelled by ann");
    assert_eq!(queue.lease_id(&request("agent-a")).await, None);
    let again = wrong_state(queue.jobs.cancel(id, "ann").await);
    assert_eq!(again, format!("job {id} is over already: cancelled"));
    assert!(is_unknown(&queue.jobs.cancel(99, "ann").await));
    queue.close().await;
}

async fn the_agent_of_a_job_that_runs_hears_that_it_is_to_end(db: &Database) {
    let queue = Queue::open(db).await;
    let id = queue.add_to("7").await;
    let lease = queue.lease("agent-a").await;
    for _ in 0..2 {
        let told = queue.jobs.cancel(id, "ann").await.unwrap();
        assert_eq!(
            (told.state, told.cancel_requested),
            (JobState::Running, true)
        );
    }
    assert!(
        queue
            .jobs
            .heartbeat(id, lease.attempt)
            .await
            .unwrap()
            .cancel
    );
    let ended = queue.finish(&lease, AttemptEnding::Cancelled).await;
    assert_eq!(ended.state, JobState::Cancelled);
    queue.close().await;
}

async fn a_job_that_is_to_end_is_not_begun_again(db: &Database) {
    let queue = Queue::open(db).await;
    for is_lost in [true, false] {
        let id = queue.add_to("7").await;
        let lease = queue.lease("agent-a").await;
        queue.jobs.cancel(id, "").await.unwrap();
        if is_lost {
            let silent = queue.jobs.going_on().await.unwrap().remove(0);
            assert!(queue.jobs.expire(&silent).await.unwrap());
        } else {
            queue.finish(&lease, AttemptEnding::Released).await;
        }
        assert_eq!(queue.get(id).await.state, JobState::Cancelled);
    }
    queue.close().await;
}

async fn a_job_is_repeated_as_it_was(db: &Database) {
    let queue = Queue::open(db).await;
    let id = queue.add_to("7").await;
    let lease = queue.lease("agent-a").await;
    let again = rerun(&queue, id, false, "").await.unwrap();
    assert_eq!(again.rerun_of, Some(id));
    let before = queue.get(id).await;
    let same = Job {
        id: before.id,
        uuid: before.uuid.clone(),
        created_at: before.created_at,
        rerun_of: None,
        ..again.clone()
    };
    let queued = Job {
        state: JobState::Queued,
        started_at: None,
        attempt: 0,
        agent: None,
        run_id: None,
        transitions: Vec::new(),
        attempts: Vec::new(),
        ..before
    };
    assert_eq!(same, queued);
    let of_ann = rerun(&queue, id, false, "ann").await.unwrap();
    assert_eq!(of_ann.username, "ann");
    let filter = JobsFilter {
        rerun_of: Some(id),
        limit: 9,
        ..JobsFilter::default()
    };
    assert_eq!(queue.jobs.list(&filter).await.unwrap().len(), 2);
    let running = wrong_state(rerun(&queue, id, true, "").await);
    assert_eq!(running, format!("job {id} is still running"));
    assert!(is_unknown(&rerun(&queue, 99, false, "").await));
    queue.finish(&lease, AttemptEnding::Passed).await;
    let no_run = wrong_state(rerun(&queue, id, true, "").await);
    assert!(no_run.contains("has no run"), "{no_run}");
    queue.close().await;
}

/// A job that is over, with its run.
async fn over_with(queue: &Queue, change: impl FnOnce(NewRun) -> NewRun) -> Lease {
    queue.add_to("7").await;
    let lease = queue.lease("agent-a").await;
    queue
        .opened
        .save(change(run_of(&lease.run_id, Vec::new())))
        .await;
    queue.finish(&lease, AttemptEnding::Failed).await;
    lease
}

async fn only_what_did_not_pass_is_repeated(db: &Database) {
    let queue = Queue::open(db).await;
    let of = |nodeid: &str, outcome| NewCase::new(nodeid, outcome);
    let cases = vec![
        passed("t.py::good"),
        failed("t.py::bad[a b]", "no"),
        of("t.py::error", Outcome::Error),
        of("t.py::crashed", Outcome::Crashed),
        of("t.py::skipped", Outcome::Skipped),
        of("t.py::xfailed", Outcome::Xfailed),
    ];
    let lease = over_with(&queue, |run| NewRun {
        cases: Some(cases),
        ..run
    })
    .await;
    let again = rerun(&queue, lease.job, true, "").await.unwrap();
    let tests = ["t.py::bad[a b]", "t.py::crashed", "t.py::error"];
    assert_eq!(again.tests, tests);
    let lease = queue.lease("agent-a").await;
    assert_eq!(lease.tests, tests);
    let all_good = vec![passed("t.py::good")];
    let run = run_of(&lease.run_id, all_good);
    queue.opened.save(run).await;
    queue.finish(&lease, AttemptEnding::Passed).await;
    let nothing = wrong_state(rerun(&queue, lease.job, true, "").await);
    assert!(nothing.contains("every test passed"), "{nothing}");
    queue.close().await;
}

async fn what_never_ran_is_repeated_as_well(db: &Database) {
    let queue = Queue::open(db).await;
    let ended_early = |not_run: Vec<String>, count| {
        move |run: NewRun| NewRun {
            cases: Some(vec![passed("t.py::good")]),
            finished: false,
            collected: Some(3),
            not_run,
            not_run_count: count,
            ..run
        }
    };
    let not_run = vec!["t.py::never".to_owned()];
    let lease = over_with(&queue, ended_early(not_run.clone(), 1)).await;
    let again = rerun(&queue, lease.job, true, "").await.unwrap();
    assert_eq!(again.tests, not_run);
    queue.jobs.cancel(again.id, "").await.unwrap();
    let lease = over_with(&queue, ended_early(not_run, 5_000)).await;
    let too_many = wrong_state(rerun(&queue, lease.job, true, "").await);
    assert!(too_many.contains("5000 tests"), "{too_many}");
    queue.close().await;
}

async fn a_job_is_deleted_when_it_is_over(db: &Database) {
    let queue = Queue::open(db).await;
    let id = queue.add_to("7").await;
    let waiting = wrong_state(queue.jobs.delete(id).await);
    assert_eq!(waiting, format!("job {id} is queued; cancel it first"));
    let lease = queue.lease("agent-a").await;
    let line = Bytes::from_static(b"line\n");
    queue
        .jobs
        .append_log(id, lease.attempt, 0, line)
        .await
        .unwrap();
    wrong_state(queue.jobs.delete(id).await);
    queue.finish(&lease, AttemptEnding::Passed).await;
    queue.jobs.delete(id).await.unwrap();
    assert!(is_unknown(&queue.jobs.get(&id.to_string(), None).await));
    assert!(is_unknown(&queue.jobs.delete(id).await));
    assert_eq!(queue.jobs.log(id, 0, 100).await.unwrap(), b"");
    // Ids are never used twice.
    assert!(queue.add_to("7").await > id);
    assert!(queue.lease("agent-a").await.attempt > lease.attempt);
    queue.close().await;
}

async fn a_job_that_is_forgotten_is_seen_by_nobody(db: &Database) {
    let queue = Queue::open(db).await;
    let id = queue.add_to("7").await;
    let lease = queue.lease("agent-a").await;
    let [waiting, next] = [queue.add_to("7").await, queue.add_to("7").await];
    queue.jobs.forget(waiting).await.unwrap();
    queue.jobs.forget(id).await.unwrap();
    for gone in [id, waiting] {
        assert!(is_unknown(&queue.jobs.get(&gone.to_string(), None).await));
        assert!(is_unknown(&queue.jobs.forget(gone).await));
    }
    let all = JobsFilter {
        limit: 9,
        ..JobsFilter::default()
    };
    assert_eq!(queue.jobs.count(&all).await.unwrap(), 1);
    assert_eq!(queue.jobs.list(&all).await.unwrap().len(), 1);
    // It holds its environment until its agent has ended it.
    assert_eq!(queue.lease_id(&request("agent-b")).await, None);
    assert!(
        queue
            .jobs
            .heartbeat(id, lease.attempt)
            .await
            .unwrap()
            .cancel
    );
    queue.finish(&lease, AttemptEnding::Cancelled).await;
    queue.jobs.tidy(Utc::now()).await.unwrap();
    let gone = queue.jobs.job_of_task(lease.attempt).await;
    assert!(matches!(gone, Err(JobsError::NoAttempt(_))), "{gone:?}");
    assert_eq!(queue.lease("agent-b").await.job, next);
    queue.close().await;
}

async fn the_jobs_of_a_kind_that_are_over_are_deleted(db: &Database) {
    let queue = Queue::open(db).await;
    let create = async |kind| {
        let new = NewJob {
            ..job_in("run_suite")
        };
        queue.jobs.create(new, kind, None).await.unwrap().id
    };
    let mut over = Vec::new();
    for kind in [JobKind::Suite, JobKind::Suite, JobKind::Job] {
        over.push(create(kind).await);
        let lease = queue.lease("agent-a").await;
        queue.finish(&lease, AttemptEnding::Failed).await;
    }
    let running = create(JobKind::Suite).await;
    queue.lease("agent-a").await;
    let waiting = create(JobKind::Suite).await;
    assert_eq!(queue.jobs.delete_over(JobKind::Suite).await.unwrap(), 2);
    assert_eq!(queue.jobs.delete_over(JobKind::Suite).await.unwrap(), 0);
    let all = JobsFilter {
        limit: 9,
        ..JobsFilter::default()
    };
    let left = queue.jobs.list(&all).await.unwrap();
    let left: Vec<i64> = left.iter().map(|job| job.id).collect();
    assert_eq!(left, [waiting, running, over[2]]);
    queue.close().await;
}
