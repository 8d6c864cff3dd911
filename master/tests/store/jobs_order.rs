//! Who is next: first come, first served, in every environment for itself.

use std::time::Duration;

use shared::job::{GitSource, NewJob, Source};
use shared::lease::{AttemptEnding, LeaseRequest};

use crate::engines::Database;
use crate::jobs::{Queue, job, job_in, labels, request};

on_both_engines!(
    an_environment_is_used_by_one_job_after_the_other_in_order,
    the_greater_priority_comes_first,
    environments_do_not_wait_for_one_another,
    as_many_jobs_run_as_an_environment_has_room_for,
    a_lowered_capacity_waits_until_there_is_room,
    a_job_waits_for_an_agent_that_is_online_and_has_its_labels,
    a_job_without_environment_keeps_nobody_waiting,
    a_runner_of_tasks_gets_what_its_contract_has_words_for,
    who_waits_hears_of_a_job_at_once,
    who_waits_hears_of_a_place_that_gets_free,
    what_a_job_waits_for_is_said_in_words,
);

fn labelled(agent: &str, text: &str) -> LeaseRequest {
    LeaseRequest {
        labels: labels(text),
        ..request(agent)
    }
}

fn wanting(environment: Option<&str>, text: &str) -> NewJob {
    NewJob {
        labels: labels(text),
        environment: environment.map(str::to_owned),
        ..job()
    }
}

async fn an_environment_is_used_by_one_job_after_the_other_in_order(db: &Database) {
    let queue = Queue::open(db).await;
    let mut queued = Vec::new();
    for _ in 0..5 {
        queued.push(queue.add_to("7").await);
    }
    for id in queued {
        let lease = queue.lease("agent-a").await;
        assert_eq!(lease.job, id);
        assert_eq!(queue.lease_id(&request("agent-b")).await, None);
        queue.finish(&lease, AttemptEnding::Passed).await;
    }
    assert_eq!(queue.lease_id(&request("agent-a")).await, None);
    queue.close().await;
}

async fn the_greater_priority_comes_first(db: &Database) {
    let queue = Queue::open(db).await;
    for priority in [0, -5, 7, 7, 1_000] {
        let new = NewJob {
            priority,
            ..job_in("7")
        };
        queue.add(new).await;
    }
    for id in [5, 3, 4, 1, 2] {
        let lease = queue.lease("agent-a").await;
        assert_eq!(lease.job, id);
        queue.finish(&lease, AttemptEnding::Passed).await;
    }
    queue.close().await;
}

async fn environments_do_not_wait_for_one_another(db: &Database) {
    let queue = Queue::open(db).await;
    let first = queue.add_to("1").await;
    queue.add_to("1").await;
    let other = queue.add_to("2").await;
    assert_eq!(queue.lease("agent-a").await.job, first);
    assert_eq!(queue.lease("agent-a").await.job, other);
    assert_eq!(queue.lease_id(&request("agent-a")).await, None);
    queue.close().await;
}

async fn as_many_jobs_run_as_an_environment_has_room_for(db: &Database) {
    let queue = Queue::open(db).await;
    queue.environment("lab", 2).await;
    for _ in 0..4 {
        queue.add_to("lab").await;
    }
    let first = queue.lease("agent-a").await;
    let second = queue.lease("agent-b").await;
    assert_eq!((first.job, second.job), (1, 2));
    assert_eq!(queue.lease_id(&request("agent-c")).await, None);
    queue.finish(&first, AttemptEnding::Failed).await;
    assert_eq!(queue.lease("agent-c").await.job, 3);
    assert_eq!(queue.lease_id(&request("agent-a")).await, None);
    queue.close().await;
}

async fn a_lowered_capacity_waits_until_there_is_room(db: &Database) {
    let queue = Queue::open(db).await;
    queue.environment("lab", 3).await;
    for _ in 0..4 {
        queue.add_to("lab").await;
    }
    let mut leases = Vec::new();
    for _ in 0..3 {
        leases.push(queue.lease("agent-a").await);
    }
    queue.environment("lab", 1).await;
    for lease in &leases[..2] {
        queue.finish(lease, AttemptEnding::Passed).await;
        assert_eq!(queue.lease_id(&request("agent-a")).await, None);
    }
    queue.finish(&leases[2], AttemptEnding::Passed).await;
    assert_eq!(queue.lease("agent-a").await.job, 4);
    queue.close().await;
}

async fn a_job_waits_for_an_agent_that_is_online_and_has_its_labels(db: &Database) {
    let queue = Queue::open(db).await;
    let first = queue.add(wanting(Some("7"), "os=windows")).await.id;
    let second = queue.add(wanting(Some("7"), "os=linux")).await.id;
    let third = queue
        .add(wanting(Some("7"), "os=linux,python=3.12"))
        .await
        .id;
    let linux = labelled("linux", "os=linux,python=3.12");
    let windows = labelled("windows", "os=windows,gpu=yes");
    // Nobody who could have the first is there, so it is passed over.
    let lease = queue.jobs.lease(&linux, None).await.unwrap().unwrap();
    assert_eq!(lease.job, second);
    // Now somebody is: he gets nothing while the environment is used, and is waited for.
    assert_eq!(queue.lease_id(&windows).await, None);
    queue.finish(&lease, AttemptEnding::Passed).await;
    assert_eq!(queue.lease_id(&linux).await, None);
    let lease = queue.jobs.lease(&windows, None).await.unwrap().unwrap();
    assert_eq!(lease.job, first);
    queue.finish(&lease, AttemptEnding::Passed).await;
    let old = labelled("old", "os=linux,python=3.8");
    assert_eq!(queue.lease_id(&old).await, None);
    assert_eq!(queue.lease_id(&linux).await, Some(third));
    queue.close().await;
}

async fn a_job_without_environment_keeps_nobody_waiting(db: &Database) {
    let queue = Queue::open(db).await;
    let first = queue.add(wanting(None, "os=windows")).await.id;
    let second = queue.add(wanting(None, "")).await.id;
    let third = queue.add(wanting(None, "")).await.id;
    let windows = labelled("windows", "os=windows");
    assert_eq!(
        queue.lease_id(&labelled("linux", "os=linux")).await,
        Some(second)
    );
    assert_eq!(queue.lease_id(&windows).await, Some(first));
    assert_eq!(queue.lease_id(&windows).await, Some(third));
    queue.close().await;
}

async fn a_runner_of_tasks_gets_what_its_contract_has_words_for(db: &Database) {
    let queue = Queue::open(db).await;
    let plain = NewJob {
        args: Vec::new(),
        env: std::collections::BTreeMap::new(),
        timeout_s: 600,
        ..job_in("7")
    };
    let at_commit = NewJob {
        source: Source::Git(GitSource {
            url: "https://git.example.org/shop.git".to_owned(),
            commit: Some("0123456".to_owned()),
            ..GitSource::default()
        }),
        ..plain.clone()
    };
    for other in [job(), wanting(None, "os=linux"), at_commit] {
        queue.add(other).await;
    }
    let lease_task = async || queue.jobs.lease_task("runner", None).await.unwrap();
    assert_eq!(lease_task().await, None);
    let wanted = queue
        .add(NewJob {
            environment: None,
            ..plain
        })
        .await
        .id;
    let task = lease_task().await.unwrap();
    assert_eq!(task.job, wanted);
    assert!(task.lease_s > 600, "{}", task.lease_s);
    assert_eq!(queue.jobs.job_of_task(task.attempt).await.unwrap(), wanted);
    assert!(queue.jobs.job_of_task(task.attempt + 1).await.is_err());
    assert_eq!(queue.jobs.agents(None).await.unwrap(), []);
    queue.close().await;
}

/// Longer than any of these waits takes, shorter than they may.
const SOON: Duration = Duration::from_secs(25);

async fn who_waits_hears_of_a_job_at_once(db: &Database) {
    let queue = Queue::open(db).await;
    let asks = request("agent-a");
    let start = std::time::Instant::now();
    let (leased, id) = tokio::join!(queue.jobs.lease_or_wait(&asks, None, SOON), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        queue.add_to("7").await
    });
    assert_eq!(leased.unwrap().unwrap().job, id);
    // A wait that is woken by nothing looks again after 5 s.
    assert!(
        start.elapsed() < Duration::from_secs(4),
        "{:?}",
        start.elapsed()
    );
    let short = Duration::from_millis(100);
    let nothing = queue.jobs.lease_or_wait(&asks, None, short).await.unwrap();
    assert_eq!(nothing, None);
    queue.close().await;
}

async fn who_waits_hears_of_a_place_that_gets_free(db: &Database) {
    let queue = Queue::open(db).await;
    let other = Queue::open(db).await;
    queue.add_to("7").await;
    let next = queue.add_to("7").await;
    let lease = queue.lease("agent-a").await;
    let asks = request("agent-b");
    let start = std::time::Instant::now();
    // On SQLite there is one master; on PostgreSQL, another one hears of it.
    let waiting = match db.engine {
        crate::engines::Engine::Sqlite => &queue,
        crate::engines::Engine::Postgres => &other,
    };
    let (leased, _) = tokio::join!(waiting.jobs.lease_or_wait(&asks, None, SOON), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        queue.finish(&lease, AttemptEnding::Passed).await
    });
    assert_eq!(leased.unwrap().unwrap().job, next);
    assert!(
        start.elapsed() < Duration::from_secs(4),
        "{:?}",
        start.elapsed()
    );
    other.close().await;
    queue.close().await;
}

async fn what_a_job_waits_for_is_said_in_words(db: &Database) {
    let queue = Queue::open(db).await;
    let first = queue.add_to("7").await;
    let waits_for = async |id| queue.get(id).await.waits_for.unwrap();
    assert_eq!(waits_for(first).await, "an agent; none is online");
    let special = queue.add(wanting(Some("8"), "gpu=yes,os=linux")).await.id;
    assert_eq!(
        waits_for(special).await,
        "an agent with gpu=yes, os=linux; none is online"
    );
    queue.lease("agent-a").await;
    let [second, third] = [queue.add_to("7").await, queue.add_to("7").await];
    assert!(!waits_for(special).await.contains("environment"));
    let held = format!("environment 7 held by job {first} of Steve for ");
    assert!(waits_for(second).await.starts_with(&held));
    let said = waits_for(third).await;
    let before = "; 1 job before it in environment 7; an agent; agent-a is busy";
    assert!(said.starts_with(&held) && said.ends_with(before), "{said}");
    let free = LeaseRequest {
        slots: 4,
        ..request("agent-b")
    };
    assert_eq!(queue.lease_id(&free).await, None);
    let ninth = queue.add_to("9").await;
    assert_eq!(
        waits_for(ninth).await,
        "an agent to ask for it; 1 of 2 are free"
    );
    queue.close().await;
}
