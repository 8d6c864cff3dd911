//! Jobs to be queued, and what is true of every one of them.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use master::jobs::{Jobs, JobsError, JobsFilter};
use master::live::{Feed, FeedTask};
use shared::environment::NewEnvironment;
use shared::job::{GitSource, Job, JobKind, JobState, NewJob, Source, Step, StepName};
use shared::lease::{AttemptEnding, FinishAttempt, Lease, LeaseRequest};

use crate::engines::{Database, Opened};

on_both_engines!(
    a_job_goes_from_the_queue_to_its_end_and_says_so,
    a_job_has_two_names,
    a_project_sees_its_own_jobs_only,
    lists_are_newest_first_and_filtered,
    an_unknown_environment_is_named,
    environments_are_there_from_the_start_and_can_be_changed,
    an_environment_that_is_needed_stays,
    agents_are_known_by_what_they_said_last,
);

/// How long an agent may be silent in these tests. Nobody looks unless a test does.
pub(crate) const LEASE: Duration = Duration::from_secs(30);

/// A master's jobs on a database.
pub(crate) struct Queue {
    pub(crate) jobs: Jobs,
    pub(crate) opened: Opened,
    feed: FeedTask,
}

impl Queue {
    pub(crate) async fn open(db: &Database) -> Self {
        let opened = db.open().await;
        let (_, feed) = Feed::start(opened.store.clone()).await.unwrap();
        Self {
            jobs: Jobs::new(opened.store.clone(), LEASE),
            opened,
            feed,
        }
    }

    pub(crate) async fn close(self) {
        self.feed.finish().await;
        self.opened.close().await;
    }

    /// Queues a job that must be taken.
    pub(crate) async fn add(&self, job: NewJob) -> Job {
        self.jobs.create(job, JobKind::Job, None).await.unwrap()
    }

    /// The id of a job that is queued for an environment.
    pub(crate) async fn add_to(&self, environment: &str) -> i64 {
        self.add(job_in(environment)).await.id
    }

    /// Leases a job that must be there.
    pub(crate) async fn lease(&self, agent: &str) -> Lease {
        let leased = self.jobs.lease(&request(agent), None).await.unwrap();
        leased.expect("there is no job to be had")
    }

    /// The id of the job that an agent gets, if it gets one.
    pub(crate) async fn lease_id(&self, request: &LeaseRequest) -> Option<i64> {
        let leased = self.jobs.lease(request, None).await.unwrap();
        leased.map(|lease| lease.job)
    }

    pub(crate) async fn get(&self, id: i64) -> Job {
        self.jobs.get(&id.to_string(), None).await.unwrap()
    }

    pub(crate) async fn finish(&self, lease: &Lease, ending: AttemptEnding) -> Job {
        let finish = ended(ending);
        let finished = self.jobs.finish(lease.job, lease.attempt, finish).await;
        finished.unwrap()
    }

    /// Makes an environment or changes it.
    pub(crate) async fn environment(&self, name: &str, capacity: u32) {
        let new = NewEnvironment {
            description: String::new(),
            capacity,
        };
        self.jobs.put_environment(name, new).await.unwrap();
    }
}

/// A job of a git repository, in no environment.
pub(crate) fn job() -> NewJob {
    let git = GitSource {
        url: "https://git.example.org/shop.git".to_owned(),
        ..GitSource::default()
    };
    NewJob {
        uuid: None,
        username: "Steve".to_owned(),
        project: "shop".to_owned(),
        source: Source::Git(git),
        tests: vec!["tests/test_a.py".to_owned()],
        args: vec!["-k".to_owned(), "slow".to_owned()],
        env: BTreeMap::from([("A".to_owned(), "b".to_owned())]),
        labels: BTreeMap::new(),
        environment: None,
        timeout_s: 3_600,
        attempts_max: 3,
        wait_max_s: 86_400,
        priority: 0,
    }
}

pub(crate) fn job_in(environment: &str) -> NewJob {
    NewJob {
        environment: Some(environment.to_owned()),
        ..job()
    }
}

pub(crate) fn labels(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(label, value)| (label.to_owned(), value.to_owned()))
        .collect()
}

/// A request of an agent without labels.
pub(crate) fn request(agent: &str) -> LeaseRequest {
    LeaseRequest {
        agent: agent.to_owned(),
        slots: 1,
        ..LeaseRequest::default()
    }
}

pub(crate) fn ended(ending: AttemptEnding) -> FinishAttempt {
    FinishAttempt {
        ending,
        error_kind: None,
        error: None,
        exit_code: (ending == AttemptEnding::Passed).then_some(0),
    }
}

pub(crate) fn states(job: &Job) -> Vec<JobState> {
    job.transitions
        .iter()
        .map(|transition| transition.state)
        .collect()
}

fn at(text: &str) -> DateTime<Utc> {
    shared::time::parse(text).unwrap()
}

async fn a_job_goes_from_the_queue_to_its_end_and_says_so(db: &Database) {
    let queue = Queue::open(db).await;
    let queued = queue.add(job_in("7")).await;
    assert_eq!(queued.state, JobState::Queued);
    assert_eq!((queued.attempt, queued.log_bytes), (0, 0));
    let lease = queue.lease("agent-a").await;
    assert_eq!((lease.job, lease.number), (queued.id, 1));
    assert_eq!(lease.uuid, queued.uuid);
    assert_eq!(lease.run_id, format!("job-{}-1", queued.uuid));
    assert_eq!(lease.environment.as_deref(), Some("7"));
    assert_eq!(lease.source, queued.source);
    assert_eq!((&lease.tests, &lease.args), (&job().tests, &job().args));
    assert_eq!((&lease.env, lease.lease_s), (&job().env, 30));
    let running = queue.get(lease.job).await;
    assert_eq!(running.state, JobState::Running);
    assert_eq!(running.agent.as_deref(), Some("agent-a"));
    assert_eq!(running.run_id.as_ref(), Some(&lease.run_id));
    assert!(running.started_at.is_some() && running.finished_at.is_none());
    let mut step = Step {
        name: StepName::Fetch,
        started_at: at("2026-11-21T10:00:00Z"),
        finished_at: None,
        text: String::new(),
    };
    let (jobs, attempt) = (&queue.jobs, lease.attempt);
    jobs.step(lease.job, attempt, step.clone()).await.unwrap();
    step.finished_at = Some(at("2026-11-21T10:00:01.5Z"));
    "main at 1234567".clone_into(&mut step.text);
    jobs.step(lease.job, attempt, step.clone()).await.unwrap();
    let heartbeat = jobs.heartbeat(lease.job, attempt).await.unwrap();
    assert_eq!((heartbeat.cancel, heartbeat.lease_s), (false, 30));
    let handed = jobs.attempt(lease.job, attempt).await.unwrap();
    assert_eq!(handed, lease);
    queue.finish(&lease, AttemptEnding::Passed).await;
    let over = queue.get(lease.job).await;
    assert_eq!((over.state, over.exit_code), (JobState::Passed, Some(0)));
    assert_eq!(
        states(&over),
        [JobState::Queued, JobState::Running, JobState::Passed]
    );
    assert_eq!(over.attempts.len(), 1);
    assert_eq!(over.attempts[0].steps, [step]);
    assert_eq!(over.attempts[0].ending.as_deref(), Some("passed"));
    assert!(over.attempts[0].ended_at.is_some());
    assert!(over.finished_at >= over.started_at && over.waits_for.is_none());
    queue.close().await;
}

async fn a_job_has_two_names(db: &Database) {
    let queue = Queue::open(db).await;
    let job = queue.add(job()).await;
    for name in [
        job.id.to_string(),
        job.uuid.clone(),
        job.uuid.to_uppercase(),
    ] {
        assert_eq!(queue.jobs.get(&name, None).await.unwrap().id, job.id);
    }
    let unknown = uuid::Uuid::now_v7().to_string();
    for name in ["0", "99", "-1", "x", "", "9223372036854775808", &unknown] {
        match queue.jobs.get(name, None).await {
            Err(JobsError::NotFound(named)) => assert_eq!(named, name),
            other => panic!("{name}: {other:?}"),
        }
    }
    queue.close().await;
}

async fn a_project_sees_its_own_jobs_only(db: &Database) {
    let queue = Queue::open(db).await;
    let other = NewJob {
        project: "bank".to_owned(),
        ..job_in("7")
    };
    let other = queue.add(other).await;
    let name = other.id.to_string();
    assert!(queue.jobs.get(&name, Some("bank")).await.is_ok());
    let hidden = queue.jobs.get(&name, Some("shop")).await;
    assert!(matches!(hidden, Err(JobsError::NotFound(_))), "{hidden:?}");
    let request = request("agent-a");
    let leased = queue.jobs.lease(&request, Some("shop")).await.unwrap();
    assert_eq!(leased, None);
    let leased = queue.jobs.lease(&request, Some("bank")).await.unwrap();
    assert_eq!(leased.unwrap().job, other.id);
    let waiting = queue.add(job_in("7")).await;
    let name = waiting.id.to_string();
    let told = async |project| {
        let job = queue.jobs.get(&name, project).await.unwrap();
        job.waits_for.unwrap()
    };
    assert!(told(None).await.contains("held by job 1 of Steve for "));
    let bound = told(Some("shop")).await;
    assert!(!bound.contains("Steve"), "{bound}");
    queue.close().await;
}

/// A filter that lets everything through but for what `change` says.
fn only(change: fn(&mut JobsFilter)) -> JobsFilter {
    let mut filter = JobsFilter {
        limit: 50,
        ..JobsFilter::default()
    };
    change(&mut filter);
    filter
}

async fn lists_are_newest_first_and_filtered(db: &Database) {
    let queue = Queue::open(db).await;
    for number in 0..6 {
        let new = NewJob {
            project: ["shop", "bank"][number % 2].to_owned(),
            username: ["Steve", "Ann"][number / 3].to_owned(),
            environment: (number < 2).then(|| "7".to_owned()),
            ..job()
        };
        let kind = [JobKind::Job, JobKind::Suite][number / 5];
        queue.jobs.create(new, kind, None).await.unwrap();
    }
    assert_eq!(queue.lease("agent-a").await.job, 1);
    let expected: [(JobsFilter, &[i64]); 11] = [
        (only(|_| {}), &[6, 5, 4, 3, 2, 1]),
        (only(|all| all.project = Some("bank".into())), &[6, 4, 2]),
        (only(|all| all.username = Some("Steve".into())), &[3, 2, 1]),
        (only(|all| all.environment = Some("7".into())), &[2, 1]),
        (only(|all| all.kind = Some(JobKind::Suite)), &[6]),
        (only(|all| all.agent = Some("agent-a".into())), &[1]),
        (only(|all| all.state = Some(JobState::Running)), &[1]),
        (only(|all| all.rerun_of = Some(1)), &[]),
        (only(|all| all.before = Some(3)), &[2, 1]),
        (only(|all| all.limit = 2), &[6, 5]),
        (
            only(|all| {
                all.project = Some("bank".into());
                all.username = Some("Ann".into());
            }),
            &[6, 4],
        ),
    ];
    for (filter, ids) in expected {
        let listed = queue.jobs.list(&filter).await.unwrap();
        let listed: Vec<i64> = listed.iter().map(|job| job.id).collect();
        assert_eq!(listed, ids, "{filter:?}");
        if filter.before.is_none() && filter.limit == 50 {
            let count = queue.jobs.count(&filter).await.unwrap();
            assert_eq!(count, ids.len() as u64, "{filter:?}");
        }
    }
    let all = only(|_| {});
    let (page, count) = queue.jobs.page(&all, 2, 4).await.unwrap();
    let ids: Vec<i64> = page.iter().map(|job| job.id).collect();
    assert_eq!((ids, count), (vec![2, 1], 6));
    assert_eq!(queue.jobs.page(&all, u64::MAX, 500).await.unwrap().0, []);
    queue.close().await;
}

async fn an_unknown_environment_is_named(db: &Database) {
    let queue = Queue::open(db).await;
    let refused = queue.jobs.create(job_in("101"), JobKind::Job, None).await;
    match refused {
        Err(JobsError::Invalid(invalid)) => {
            assert_eq!(invalid.field, "environment");
            assert!(invalid.reason.contains("`101`"), "{invalid}");
        }
        other => panic!("{other:?}"),
    }
    let all = JobsFilter::default();
    assert_eq!(queue.jobs.count(&all).await.unwrap(), 0);
    queue.close().await;
}

async fn environments_are_there_from_the_start_and_can_be_changed(db: &Database) {
    let queue = Queue::open(db).await;
    let names = async || {
        let all = queue.jobs.environments(None).await.unwrap();
        all.into_iter().map(|one| one.name).collect::<Vec<_>>()
    };
    let before = names().await;
    assert_eq!(before.len(), 101);
    assert_eq!(before[..3], ["1", "2", "3"]);
    assert_eq!(before[99..], ["100", "run_suite"]);
    let new = |capacity| NewEnvironment {
        description: "two boards".to_owned(),
        capacity,
    };
    let jobs = &queue.jobs;
    let (made, created) = jobs.put_environment("lab 1", new(2)).await.unwrap();
    assert!(created && made.capacity == 2 && made.description == "two boards");
    let (changed, created) = jobs.put_environment("lab 1", new(3)).await.unwrap();
    assert!(!created && changed.capacity == 3);
    for (name, capacity, field) in [("a/b", 1, "name"), (" a", 1, "name"), ("a", 0, "capacity")] {
        match jobs.put_environment(name, new(capacity)).await {
            Err(JobsError::Invalid(invalid)) => assert_eq!(invalid.field, field),
            other => panic!("{other:?}"),
        }
    }
    jobs.delete_environment("lab 1").await.unwrap();
    assert_eq!(names().await, before);
    let gone = jobs.delete_environment("lab 1").await;
    assert!(matches!(gone, Err(JobsError::NoEnvironment(_))), "{gone:?}");
    queue.close().await;
}

async fn an_environment_that_is_needed_stays(db: &Database) {
    let queue = Queue::open(db).await;
    queue.environment("lab", 1).await;
    let (first, second) = (queue.add_to("lab").await, queue.add_to("lab").await);
    let lease = queue.lease("agent-a").await;
    let lab = queue.jobs.environment("lab", None).await.unwrap();
    assert_eq!((lab.holders[0].job, lab.queued), (first, 1));
    let listed = queue.jobs.environments(None).await.unwrap();
    assert!(listed.contains(&lab), "{listed:?}");
    let hidden = queue.jobs.environment("lab", Some("bank")).await.unwrap();
    assert_eq!(hidden.holders[0].username, "");
    match queue.jobs.delete_environment("lab").await {
        Err(JobsError::EnvironmentInUse { job, .. }) => assert_eq!(job, first),
        other => panic!("{other:?}"),
    }
    queue.jobs.cancel(second, "").await.unwrap();
    queue.finish(&lease, AttemptEnding::Failed).await;
    queue.jobs.delete_environment("lab").await.unwrap();
    queue.close().await;
}

async fn agents_are_known_by_what_they_said_last(db: &Database) {
    let queue = Queue::open(db).await;
    let id = queue.add_to("1").await;
    let asks = |labelled: &str, slots| LeaseRequest {
        labels: labels(labelled),
        slots,
        version: "1.2".to_owned(),
        ..request("agent-a")
    };
    assert_eq!(queue.lease_id(&asks("os=linux", 1)).await, Some(id));
    assert_eq!(queue.lease_id(&asks("os=windows", 2)).await, None);
    let agents = queue.jobs.agents(None).await.unwrap();
    assert_eq!(agents.len(), 1);
    assert_eq!(agents[0].labels, labels("os=windows"));
    assert_eq!((agents[0].slots, agents[0].online), (2, true));
    assert_eq!(agents[0].jobs, [id]);
    let nameless = queue.jobs.lease(&request(""), None).await;
    assert!(
        matches!(nameless, Err(JobsError::Invalid(_))),
        "{nameless:?}"
    );
    queue.close().await;
}
