//! Requests to queue a job that come more than once, because their answer was lost.

use master::jobs::{Jobs, JobsError, Queued};
use shared::job::{JobKind, LibrarySource, NewJob, Rerun, Source};
use shared::lease::AttemptEnding;

use crate::engines::{Database, Engine};
use crate::jobs::{Queue, job, job_in};
use crate::make::{failed, passed, run_of};

on_both_engines!(
    the_same_request_is_the_same_job_whatever_became_of_it,
    another_request_with_the_same_uuid_is_refused,
    what_the_library_had_meanwhile_makes_no_other_request,
    requests_that_come_at_once_to_all_masters_make_one_job,
    a_job_is_repeated_once_with_one_uuid,
    the_uuid_of_a_deleted_job_whose_run_is_there_is_used_up,
);

const UUID: &str = "0198c0de-5eed-7abc-9def-0123456789ab";
const OTHER: &str = "0198c0de-5eed-4abc-8def-0123456789ab";

fn named(job: NewJob) -> NewJob {
    NewJob {
        uuid: Some(UUID.to_owned()),
        ..job
    }
}

async fn queue_in(jobs: &Jobs, new: NewJob) -> Result<Queued, JobsError> {
    jobs.queue(new, JobKind::Job, None).await
}

fn is_conflict<T>(outcome: &Result<T, JobsError>) -> bool {
    matches!(outcome, Err(JobsError::Conflict(uuid)) if uuid == UUID)
}

async fn the_same_request_is_the_same_job_whatever_became_of_it(db: &Database) {
    let queue = Queue::open(db).await;
    let first = queue_in(&queue.jobs, named(job_in("7"))).await.unwrap();
    assert!(first.is_new);
    assert_eq!(first.job.uuid, UUID);
    let again = queue_in(&queue.jobs, named(job_in(" 7 "))).await.unwrap();
    assert!(!again.is_new);
    assert_eq!(again.job, first.job);
    let lease = queue.lease("agent-a").await;
    queue.finish(&lease, AttemptEnding::Passed).await;
    let over = queue_in(&queue.jobs, named(job_in("7"))).await.unwrap();
    assert_eq!(over.job.id, first.job.id);
    assert!(over.job.state.is_over() && !over.is_new);
    assert_eq!(queue.get(first.job.id).await.transitions.len(), 3);
    queue.close().await;
}

async fn another_request_with_the_same_uuid_is_refused(db: &Database) {
    let queue = Queue::open(db).await;
    queue_in(&queue.jobs, named(job())).await.unwrap();
    let others: [fn(&mut NewJob); 4] = [
        |job| "Eve".clone_into(&mut job.username),
        |job| "bank".clone_into(&mut job.project),
        |job| job.priority = 1,
        |job| job.environment = Some("7".to_owned()),
    ];
    for change in others {
        let mut other = named(job());
        change(&mut other);
        assert!(is_conflict(&queue_in(&queue.jobs, other).await));
    }
    let suite = queue.jobs.queue(named(job()), JobKind::Suite, None).await;
    assert!(is_conflict(&suite));
    let again = queue.jobs.queue(named(job()), JobKind::Job, Some(1)).await;
    assert!(is_conflict(&again));
    queue.close().await;
}

async fn what_the_library_had_meanwhile_makes_no_other_request(db: &Database) {
    let queue = Queue::open(db).await;
    let of_library = |files: &[&str], snapshot: &str| NewJob {
        source: Source::Library(LibrarySource {
            files: files.iter().map(|file| (*file).to_owned()).collect(),
            snapshot: Some(snapshot.to_owned()),
        }),
        ..named(job())
    };
    let first = of_library(&["shop/"], "one");
    let first = queue_in(&queue.jobs, first).await.unwrap().job;
    let later = of_library(&["shop"], "two");
    let later = queue_in(&queue.jobs, later).await.unwrap();
    assert_eq!(later.job, first);
    let more = of_library(&["shop", "bank"], "two");
    assert!(is_conflict(&queue_in(&queue.jobs, more).await));
    queue.close().await;
}

async fn requests_that_come_at_once_to_all_masters_make_one_job(db: &Database) {
    let count = match db.engine {
        Engine::Sqlite => 1,
        Engine::Postgres => 2,
    };
    let mut masters = Vec::new();
    for _ in 0..count {
        masters.push(Queue::open(db).await);
    }
    for round in 0..8_u32 {
        let uuid = format!("0198c0de-5eed-7abc-9def-{round:012}");
        let sent = (0..6).map(|number| {
            let jobs = masters[number % count].jobs.clone();
            let environment = (round % 2 == 0).then(|| "7".to_owned());
            let new = NewJob {
                uuid: Some(uuid.clone()),
                environment,
                ..job()
            };
            tokio::spawn(async move { queue_in(&jobs, new).await.unwrap() })
        });
        let mut new = 0;
        let mut ids = Vec::new();
        for sent in sent.collect::<Vec<_>>() {
            let queued = sent.await.unwrap();
            new += u32::from(queued.is_new);
            ids.push(queued.job.id);
        }
        ids.dedup();
        assert_eq!((new, ids.len()), (1, 1), "{ids:?}");
    }
    for master in masters {
        master.close().await;
    }
}

async fn a_job_is_repeated_once_with_one_uuid(db: &Database) {
    let queue = Queue::open(db).await;
    let id = queue.add_to("7").await;
    let lease = queue.lease("agent-a").await;
    let cases = vec![passed("t.py::good"), failed("t.py::bad", "no")];
    queue.opened.save(run_of(&lease.run_id, cases)).await;
    queue.finish(&lease, AttemptEnding::Failed).await;
    let again = |failed_only, uuid: &str| {
        let rerun = Rerun {
            uuid: Some(uuid.to_owned()),
            failed_only,
        };
        queue.jobs.rerun(id, rerun, "Steve")
    };
    let first = again(true, UUID).await.unwrap();
    assert!(first.is_new);
    assert_eq!(first.job.tests, ["t.py::bad"]);
    let second = again(true, UUID).await.unwrap();
    assert!(!second.is_new);
    assert_eq!(second.job, first.job);
    assert!(is_conflict(&again(false, UUID).await));
    assert!(again(false, OTHER).await.unwrap().is_new);
    queue.close().await;
}

async fn the_uuid_of_a_deleted_job_whose_run_is_there_is_used_up(db: &Database) {
    let queue = Queue::open(db).await;
    let new = queue_in(&queue.jobs, named(job())).await.unwrap().job;
    let lease = queue.lease("agent-a").await;
    let run = run_of(&lease.run_id, vec![passed("t.py::good")]);
    queue.opened.save(run).await;
    queue.finish(&lease, AttemptEnding::Passed).await;
    queue.jobs.delete(new.id).await.unwrap();
    let again = queue_in(&queue.jobs, named(job())).await;
    assert!(matches!(again, Err(JobsError::UsedUp(_))), "{again:?}");
    queue.close().await;
}
