//! Against a master that answers as a test says.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use chrono::Utc;
use serde_json::json;
use shared::job::{Step, StepName};

use super::*;
use crate::agent::scripted::{Asked, OF, Says, Scripted};
use crate::agent::stop::Level;

fn step(name: StepName) -> Step {
    Step {
        name,
        started_at: Utc::now(),
        finished_at: None,
        text: String::new(),
    }
}

/// A log as a master keeps it.
fn keep(kept: &mut Vec<u8>, asked: &Asked) -> Says {
    let offset = asked.offset.unwrap();
    if offset > kept.len() {
        return Says::problem(409, "log_gap");
    }
    let known = kept.len() - offset;
    kept.extend(asked.body.iter().skip(known));
    Says::ok(&json!({"bytes": kept.len(), "full": false}))
}

/// Carries two steps and a log in two pieces, and answers with what is left to be sent.
fn carry_all(master: &Scripted) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let outbox = Outbox::at(&folder.path().join("log")).unwrap();
    outbox.add_step(step(StepName::Fetch));
    outbox.add_log(b"one\n");
    let calls = master.calls();
    let (reach, stop) = (Reach::default(), Stop::default());
    std::thread::scope(|scope| {
        let courier = scope.spawn(|| carry(&calls, OF, &outbox, &reach, &stop));
        let deadline = Instant::now() + Duration::from_secs(20);
        while master.count("log") == 0 && !courier.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        outbox.add_log(b"two\n");
        outbox.add_step(step(StepName::Run));
        outbox.close();
        courier.join().unwrap();
    });
    outbox.next().is_some()
}

/// Each log request goes to `on_log`, all others are taken.
fn master_with(
    mut on_log: impl FnMut(usize, &mut Vec<u8>, &Asked) -> Says + Send + 'static,
) -> (Scripted, Arc<Mutex<Vec<u8>>>) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&log);
    let mut count = 0;
    let master = Scripted::new(move |asked| {
        if asked.what != "log" {
            return Says::ok(&json!({}));
        }
        count += 1;
        on_log(count, &mut kept.lock().unwrap(), asked)
    });
    (master, log)
}

#[test]
fn a_log_of_which_the_master_lost_a_part_is_sent_again_from_its_beginning() {
    let (master, log) = master_with(|count, kept, asked| {
        if count == 2 {
            kept.clear();
        }
        keep(kept, asked)
    });
    assert!(!carry_all(&master));
    assert_eq!(*log.lock().unwrap(), b"one\ntwo\n");
    let offsets: Vec<_> = master.asked().iter().filter_map(|one| one.offset).collect();
    assert_eq!(offsets[..3], [0, 4, 0]);
}

#[test]
fn a_master_that_finds_a_gap_in_everything_is_not_asked_for_ever() {
    let (master, _) = master_with(|_, _, _| Says::problem(409, "log_gap"));
    assert!(!carry_all(&master));
    assert!(master.count("log") < 10, "{}", master.count("log"));
    assert_eq!(master.count("steps"), 2);
}

#[test]
fn a_piece_whose_answer_was_lost_is_kept_once() {
    let (master, log) = master_with(|count, kept, asked| {
        let said = keep(kept, asked);
        if count % 2 == 1 { Says::HangUp } else { said }
    });
    assert!(!carry_all(&master));
    assert_eq!(*log.lock().unwrap(), b"one\ntwo\n");
}

#[test]
fn a_log_that_is_refused_for_good_is_given_up_and_the_steps_are_not() {
    for status in [400, 404, 413, 422] {
        let (master, _) = master_with(move |_, _, _| Says::problem(status, "no"));
        assert!(!carry_all(&master));
        assert_eq!(master.count("log"), 1, "{status}");
        assert_eq!(master.count("steps"), 2, "{status}");
    }
}

#[test]
fn a_step_that_is_refused_for_good_does_not_hold_up_the_others() {
    let mut kept = Vec::new();
    let mut steps = 0;
    let master = Scripted::new(move |asked| {
        if asked.what == "log" {
            return keep(&mut kept, asked);
        }
        steps += 1;
        Says::problem(if steps == 1 { 400 } else { 413 }, "no")
    });
    assert!(!carry_all(&master));
    assert_eq!(master.count("steps"), 2);
    let last = master.asked().pop().unwrap();
    assert_eq!((last.offset, last.body), (Some(4), b"two\n".to_vec()));
}

#[test]
fn what_a_token_that_is_revoked_holds_up_arrives_when_it_is_put_right() {
    for status in [401, 403, 429, 500, 503] {
        let (master, log) = master_with(move |count, kept, asked| match count {
            2..=4 => Says::problem(status, "no"),
            _ => keep(kept, asked),
        });
        assert!(!carry_all(&master));
        assert_eq!(*log.lock().unwrap(), b"one\ntwo\n", "{status}");
    }
}

#[test]
fn nothing_more_is_sent_of_an_attempt_that_is_over() {
    for (status, code) in [
        (409, "lease_lost"),
        (404, "job_not_found"),
        (404, "attempt_not_found"),
    ] {
        let (master, _) = master_with(move |_, _, _| Says::problem(status, code));
        assert!(carry_all(&master));
        assert_eq!(master.count("log"), 1);
        assert_eq!(master.count("steps"), 1);
    }
}

#[test]
fn what_a_full_log_does_not_take_is_not_sent() {
    let (master, _) = master_with(|_, _, _| Says::ok(&json!({"bytes": 4, "full": true})));
    assert!(!carry_all(&master));
    assert_eq!(master.count("log"), 1);
    assert_eq!(master.count("steps"), 2);
}

#[test]
fn whoever_kills_its_jobs_waits_for_no_answer() {
    let late = Duration::from_mins(1);
    let master = Scripted::answering([Says::Late(late, 200, "{}".to_owned())]);
    let folder = tempfile::tempdir().unwrap();
    let outbox = Outbox::at(&folder.path().join("log")).unwrap();
    outbox.add_log(b"one\n");
    let calls = master.calls();
    let stop = Stop::default();
    std::thread::scope(|scope| {
        let courier = scope.spawn(|| carry(&calls, OF, &outbox, &Reach::default(), &stop));
        while master.count("log") == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        let killed = Instant::now();
        stop.raise(Level::Kill);
        courier.join().unwrap();
        assert!(killed.elapsed() < Duration::from_secs(5));
    });
}
