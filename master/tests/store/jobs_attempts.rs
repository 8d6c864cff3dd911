//! Attempts: what an agent may say, how an attempt ends, and that one which is over changes nothing.

use bytes::Bytes;
use chrono::Utc;
use master::jobs::{GoingOn, JobsError};
use shared::job::{Job, JobErrorKind, JobState, NewJob, Step, StepName};
use shared::lease::{AttemptEnding, FinishAttempt, Lease};

use crate::engines::Database;
use crate::jobs::{Queue, ended, job_in, request, states};

on_both_engines!(
    an_attempt_that_is_over_changes_nothing,
    the_same_finish_may_be_sent_again,
    an_error_says_what_kind_it_is,
    a_job_that_was_given_back_is_next_and_the_attempt_does_not_count,
    a_job_that_is_given_back_again_and_again_comes_to_an_end,
    a_lost_agent_s_job_is_queued_again_until_it_was_begun_often_enough,
    an_agent_that_was_heard_meanwhile_keeps_its_job,
    an_agent_that_does_not_end_is_not_heard_any_more,
    who_waits_too_long_gives_up_and_says_who_held_the_environment,
);

fn step() -> Step {
    Step {
        name: StepName::Run,
        started_at: Utc::now(),
        finished_at: None,
        text: String::new(),
    }
}

/// Everything that an agent can say of an attempt is refused, and nothing changes.
async fn assert_over(queue: &Queue, stale: &Lease) {
    let (job, attempt) = (stale.job, stale.attempt);
    let before = queue.get(job).await;
    let jobs = &queue.jobs;
    let piece = Bytes::from_static(b"stale");
    for refused in [
        jobs.heartbeat(job, attempt).await.err(),
        jobs.append_log(job, attempt, 0, piece).await.err(),
        jobs.step(job, attempt, step()).await.err(),
        jobs.attempt(job, attempt).await.err(),
        jobs.finish(job, attempt, ended(AttemptEnding::Failed))
            .await
            .err(),
    ] {
        assert!(matches!(refused, Some(JobsError::LeaseLost)), "{refused:?}");
    }
    assert_eq!(queue.get(job).await, before);
}

/// The attempt at a job that goes on.
async fn going_on(queue: &Queue, job: i64) -> GoingOn {
    let all = queue.jobs.going_on().await.unwrap();
    let found = all.into_iter().find(|attempt| attempt.job == job);
    found.expect("nobody has the job")
}

/// The agent of a job is silent until its lease is over.
async fn lose(queue: &Queue, job: i64) -> Job {
    let silent = going_on(queue, job).await;
    assert!(queue.jobs.expire(&silent).await.unwrap());
    queue.get(job).await
}

async fn an_attempt_that_is_over_changes_nothing(db: &Database) {
    let queue = Queue::open(db).await;
    let id = queue.add_to("7").await;
    let first = queue.lease("agent-a").await;
    lose(&queue, id).await;
    assert_over(&queue, &first).await;
    let second = queue.lease("agent-b").await;
    assert!(second.attempt > first.attempt && second.number == 2);
    assert_over(&queue, &first).await;
    // A number of another job is as good as none.
    let other = Lease {
        job: queue.add_to("8").await,
        ..second.clone()
    };
    assert_over(&queue, &other).await;
    queue.finish(&second, AttemptEnding::Passed).await;
    assert_over(&queue, &first).await;
    assert_over(&queue, &second).await;
    let unknown = queue.jobs.heartbeat(99, 99).await;
    assert!(matches!(unknown, Err(JobsError::LeaseLost)), "{unknown:?}");
    queue.close().await;
}

async fn the_same_finish_may_be_sent_again(db: &Database) {
    let queue = Queue::open(db).await;
    queue.add_to("7").await;
    let lease = queue.lease("agent-a").await;
    let finish = FinishAttempt {
        ending: AttemptEnding::Failed,
        error_kind: None,
        error: None,
        exit_code: Some(1),
    };
    for _ in 0..3 {
        let finished = queue
            .jobs
            .finish(lease.job, lease.attempt, finish.clone())
            .await;
        assert_eq!(finished.unwrap().state, JobState::Failed);
    }
    let job = queue.get(lease.job).await;
    assert_eq!((job.transitions.len(), job.exit_code), (3, Some(1)));
    let other = FinishAttempt {
        exit_code: Some(2),
        ..finish
    };
    let refused = queue.jobs.finish(lease.job, lease.attempt, other).await;
    assert!(matches!(refused, Err(JobsError::LeaseLost)), "{refused:?}");
    queue.close().await;
}

async fn an_error_says_what_kind_it_is(db: &Database) {
    let queue = Queue::open(db).await;
    queue.add_to("7").await;
    let lease = queue.lease("agent-a").await;
    let mut finish = FinishAttempt {
        ending: AttemptEnding::Error,
        error_kind: None,
        error: Some(format!("no\0 repository {}", "x".repeat(100_000))),
        exit_code: None,
    };
    let (job, attempt) = (lease.job, lease.attempt);
    match queue.jobs.finish(job, attempt, finish.clone()).await {
        Err(JobsError::Invalid(invalid)) => assert_eq!(invalid.field, "error_kind"),
        other => panic!("{other:?}"),
    }
    finish.error_kind = Some(JobErrorKind::Git);
    for _ in 0..2 {
        let ended = queue.jobs.finish(job, attempt, finish.clone()).await;
        assert_eq!(ended.unwrap().state, JobState::Error);
    }
    let error = queue.get(job).await.error.unwrap();
    assert_eq!(error.kind, JobErrorKind::Git);
    assert!(error.text.starts_with("no\u{fffd} repository x"));
    assert!(error.text.len() <= shared::limits::JOB_ERROR_BYTES_MAX);
    queue.close().await;
}

async fn a_job_that_is_given_back_again_and_again_comes_to_an_end(db: &Database) {
    let queue = Queue::open(db).await;
    let new = NewJob {
        attempts_max: 2,
        ..job_in("7")
    };
    let id = queue.add(new).await.id;
    let free = shared::limits::JOB_RELEASES_MAX;
    // The last but one counts already, and one more attempt is allowed.
    for number in 1..free + 2 {
        let lease = queue.lease("agent-a").await;
        assert_eq!((lease.job, lease.number), (id, number));
        let released = queue.finish(&lease, AttemptEnding::Released).await;
        assert_eq!(released.state, JobState::Queued, "{number}");
    }
    let told = queue.get(id).await.transitions;
    let said: Vec<bool> = told
        .iter()
        .filter(|one| one.state == JobState::Queued)
        .map(|one| one.why.contains("counts as an attempt"))
        .collect();
    let (last, before) = said.split_last().unwrap();
    assert!(*last && before.iter().all(|said| !said), "{told:?}");
    let lease = queue.lease("agent-a").await;
    let over = queue.finish(&lease, AttemptEnding::Released).await;
    assert_eq!(over.state, JobState::Error);
    let error = over.error.unwrap();
    assert_eq!(error.kind, JobErrorKind::Lost);
    assert!(error.text.contains("more than 20 times"), "{}", error.text);
    assert!(error.text.contains("2 times at most"), "{}", error.text);
    assert!(queue.lease_id(&request("agent-b")).await.is_none());
    queue.close().await;
}

async fn a_job_that_was_given_back_is_next_and_the_attempt_does_not_count(db: &Database) {
    let queue = Queue::open(db).await;
    let new = NewJob {
        attempts_max: 1,
        ..job_in("7")
    };
    let id = queue.add(new).await.id;
    queue.add_to("7").await;
    for number in 1..4 {
        let lease = queue.lease("agent-a").await;
        assert_eq!((lease.job, lease.number), (id, number));
        let released = queue.finish(&lease, AttemptEnding::Released).await;
        assert_eq!(released.state, JobState::Queued);
        assert_over(
            &queue,
            &Lease {
                attempt: lease.attempt - 1,
                ..lease
            },
        )
        .await;
    }
    let lease = queue.lease("agent-b").await;
    assert_eq!(lease.run_id, format!("job-{}-4", lease.uuid));
    let job = lose(&queue, id).await;
    assert_eq!(job.state, JobState::Error);
    assert_eq!(job.attempts.len(), 4);
    assert_eq!(job.attempts[0].ending.as_deref(), Some("released"));
    assert_eq!(job.attempts[3].ending.as_deref(), Some("lost"));
    queue.close().await;
}

async fn a_lost_agent_s_job_is_queued_again_until_it_was_begun_often_enough(db: &Database) {
    let queue = Queue::open(db).await;
    let id = queue.add_to("7").await;
    for number in 1..=3 {
        let lease = queue.lease("agent-a").await;
        assert_eq!((lease.job, lease.number), (id, number));
        let job = lose(&queue, id).await;
        let error = job.error.unwrap();
        assert_eq!(error.kind, JobErrorKind::Lost);
        assert!(
            error
                .text
                .starts_with("agent agent-a was not heard for 30 s")
        );
        let last = number == 3;
        assert_eq!(
            job.state,
            if last {
                JobState::Error
            } else {
                JobState::Queued
            }
        );
        assert_eq!(job.finished_at.is_some(), last);
    }
    let [queued, running] = [JobState::Queued, JobState::Running];
    assert_eq!(
        states(&queue.get(id).await),
        [
            queued,
            running,
            queued,
            running,
            queued,
            running,
            JobState::Error
        ]
    );
    let free = queue.jobs.environment("7", None).await.unwrap();
    assert_eq!(free.holders, []);
    queue.close().await;
}

async fn an_agent_that_was_heard_meanwhile_keeps_its_job(db: &Database) {
    let queue = Queue::open(db).await;
    let id = queue.add_to("7").await;
    let lease = queue.lease("agent-a").await;
    let silent = going_on(&queue, id).await;
    queue.jobs.heartbeat(id, lease.attempt).await.unwrap();
    assert!(!queue.jobs.expire(&silent).await.unwrap());
    assert_eq!(queue.get(id).await.state, JobState::Running);
    queue.finish(&lease, AttemptEnding::Passed).await;
    assert!(!queue.jobs.expire(&silent).await.unwrap());
    assert_eq!(queue.get(id).await.state, JobState::Passed);
    queue.close().await;
}

async fn an_agent_that_does_not_end_is_not_heard_any_more(db: &Database) {
    let queue = Queue::open(db).await;
    let id = queue.add_to("7").await;
    let lease = queue.lease("agent-a").await;
    queue
        .jobs
        .give_up_on(&going_on(&queue, id).await)
        .await
        .unwrap();
    let heard = queue.jobs.heartbeat(id, lease.attempt).await;
    assert!(matches!(heard, Err(JobsError::LeaseLost)), "{heard:?}");
    // Until its lease is over, the environment is not free.
    assert_eq!(queue.get(id).await.state, JobState::Running);
    let job = lose(&queue, id).await;
    assert_eq!(job.state, JobState::TimedOut);
    assert_eq!(job.attempts[0].ending.as_deref(), Some("timed_out"));
    queue.close().await;
}

async fn who_waits_too_long_gives_up_and_says_who_held_the_environment(db: &Database) {
    let queue = Queue::open(db).await;
    let holder = queue.add_to("7").await;
    let lease = queue.lease("agent-a").await;
    let impatient = NewJob {
        wait_max_s: 60,
        ..job_in("7")
    };
    let id = queue.add(impatient.clone()).await.id;
    let other = NewJob {
        environment: Some("8".to_owned()),
        ..impatient
    };
    let other = queue.add(other).await.id;
    assert_eq!(queue.lease_id(&request("agent-b")).await, Some(other));
    let now = Utc::now();
    assert_eq!(queue.jobs.give_up_waiting(now).await.unwrap(), 0);
    let late = now + chrono::Duration::seconds(61);
    assert_eq!(queue.jobs.give_up_waiting(late).await.unwrap(), 1);
    assert_eq!(queue.jobs.give_up_waiting(late).await.unwrap(), 0);
    let job = queue.get(id).await;
    assert_eq!(job.state, JobState::FailedToStart);
    let error = job.error.unwrap();
    assert_eq!(error.kind, JobErrorKind::Waited);
    let said = format!("environment 7 held by job {holder} of Steve for ");
    assert!(error.text.contains(&said), "{}", error.text);
    // One that is queued again waits anew.
    queue
        .jobs
        .expire(&going_on(&queue, other).await)
        .await
        .unwrap();
    assert_eq!(queue.jobs.give_up_waiting(now).await.unwrap(), 0);
    queue.finish(&lease, AttemptEnding::Passed).await;
    queue.close().await;
}
