//! Against a master that answers as a test says.

use serde_json::json;
use shared::job::{LibrarySource, Source};

use super::*;
use crate::agent::scripted::{Says, Scripted};
use crate::agent::steps::StepOptions;

fn lease() -> Lease {
    Lease {
        job: 7,
        uuid: "u".to_owned(),
        attempt: 9,
        number: 1,
        lease_s: 2,
        run_id: "r".to_owned(),
        username: "Steve".to_owned(),
        project: "p".to_owned(),
        source: Source::Library(LibrarySource::default()),
        tests: Vec::new(),
        args: Vec::new(),
        env: std::collections::BTreeMap::default(),
        environment: None,
        timeout_s: 60,
    }
}

/// Does something with a job of this master.
fn with_job<T>(master: &Scripted, stop: &Stop, then: impl FnOnce(&Job) -> T) -> T {
    let workshop = Workshop {
        folder: "/nonexistent".into(),
        state_dir: "/nonexistent".into(),
        python: "/nonexistent".into(),
        agent: "a".to_owned(),
        steps: StepOptions::default(),
    };
    let reporting = master.reporting();
    then(&Job {
        workshop: &workshop,
        reporting: &reporting,
        lines: &Lines::new(&reporting).unwrap(),
        stop,
        reach: &Reach::default(),
        lease: &lease(),
    })
}

fn finish(master: &Scripted, stop: &Stop) {
    let passed = ending(AttemptEnding::Passed);
    with_job(master, stop, |job| job.finish(&passed, Instant::now()));
}

fn taken() -> Says {
    Says::ok(&json!({}))
}

#[test]
fn an_end_whose_answer_is_lost_is_said_again_in_the_same_words() {
    let master = Scripted::answering([Says::HangUp, taken()]);
    finish(&master, &Stop::default());
    let asked = master.asked();
    assert!(asked.len() >= 2 && asked.iter().all(|one| *one == asked[0]));
    let said: FinishAttempt = serde_json::from_slice(&asked[0].body).unwrap();
    assert_eq!(said.ending, AttemptEnding::Passed);
}

#[test]
fn an_end_is_said_until_a_token_is_put_right_or_a_master_is_back() {
    for status in [401, 403, 408, 429, 500, 503] {
        let refused = Says::problem(status, "no");
        let master = Scripted::answering([refused.clone(), refused, taken()]);
        finish(&master, &Stop::default());
        assert_eq!(master.count("finish"), 3, "{status}");
    }
}

#[test]
fn an_end_that_is_refused_for_good_or_comes_too_late_is_said_once() {
    for (status, code) in [
        (400, "no"),
        (404, "no"),
        (413, "no"),
        (422, "no"),
        (409, "lease_lost"),
        (404, "job_not_found"),
    ] {
        let master = Scripted::answering([Says::problem(status, code)]);
        finish(&master, &Stop::default());
        assert_eq!(master.count("finish"), 1, "{status} {code}");
    }
}

#[test]
fn a_killed_job_is_told_once_and_not_for_long() {
    let stop = Stop::default();
    stop.raise(Level::Kill);
    let master = Scripted::answering([Says::problem(503, "no")]);
    finish(&master, &stop);
    assert_eq!(master.count("finish"), 1);
    let master = Scripted::answering([Says::Late(Duration::from_mins(1), 200, "{}".to_owned())]);
    let begun = Instant::now();
    finish(&master, &stop);
    assert!(begun.elapsed() < 2 * LAST_CALL_MAX);
}

#[test]
fn a_job_begins_only_after_a_heartbeat_was_answered() {
    let goes_on = Says::ok(&json!({"cancel": false, "lease_s": 2}));
    let cancel = Says::ok(&json!({"cancel": true, "lease_s": 2}));
    let stop = Stop::default();
    let confirm = |answers: Vec<Says>| {
        let master = Scripted::answering(answers);
        with_job(&master, &stop, |job| job.confirm(Instant::now()))
    };
    assert!(confirm(vec![Says::HangUp, Says::problem(503, "no"), goes_on]).is_ok());
    assert!(matches!(
        confirm(vec![Says::problem(409, "lease_lost")]),
        Err(Ended::Lost)
    ));
    // Nobody answers for as long as the lease lasts: it is somebody else's by then.
    assert!(matches!(confirm(vec![Says::HangUp]), Err(Ended::Lost)));
    let Err(Ended::With(finish)) = confirm(vec![cancel]) else {
        panic!("it was cancelled before it began");
    };
    assert_eq!(finish.ending, AttemptEnding::Cancelled);
}
