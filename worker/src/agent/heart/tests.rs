//! Against a master that answers as a test says.

use std::time::Instant;

use crossbeam_channel::bounded;
use serde_json::json;

use super::*;
use crate::agent::scripted::{OF, Says, Scripted};
use crate::agent::stop::Level;

fn goes_on(lease_s: u32) -> Says {
    Says::ok(&json!({"cancel": false, "lease_s": lease_s}))
}

/// Beats until so many beats were told, and answers with them and how long it took.
fn beats(master: &Scripted, lease_s: u32, count: usize) -> Vec<(Beat, Moment)> {
    let calls = master.calls();
    let (reach, stop) = (Reach::default(), Stop::default());
    let (tell, told) = bounded(64);
    let (alive, over) = bounded(0);
    std::thread::scope(|scope| {
        scope.spawn(|| keep_beating(&calls, OF, lease_s, (&reach, &stop), &tell, &over));
        let mut beats = Vec::new();
        for _ in 0..count {
            let beat = told.recv_timeout(Duration::from_secs(20));
            beats.push((beat.expect("a beat"), Moment::now()));
        }
        drop(alive);
        beats
    })
}

#[test]
fn what_a_late_answer_grants_counts_from_when_it_was_asked_for() {
    let body = json!({"cancel": false, "lease_s": 3}).to_string();
    let late = Duration::from_millis(500);
    let master = Scripted::answering([Says::Late(late, 200, body)]);
    for (beat, heard) in beats(&master, 3, 2) {
        let Beat::Held(until, false) = beat else {
            panic!("{beat:?}");
        };
        // Two thirds of three seconds, of which half a second is gone at least.
        assert!(until < heard.plus(Duration::from_millis(1_501)));
    }
}

#[test]
fn an_answer_that_comes_too_late_grants_nothing() {
    let body = json!({"cancel": false, "lease_s": 2}).to_string();
    let master = Scripted::answering([
        Says::Late(Duration::from_secs(2), 200, body),
        Says::problem(409, "lease_lost"),
    ]);
    let beats = beats(&master, 2, 1);
    assert_eq!(beats[0].0, Beat::Lost);
}

#[test]
fn a_lease_that_is_lost_is_told_once_and_nothing_more_is_said() {
    for (status, code) in [(409, "lease_lost"), (404, "attempt_not_found")] {
        let master = Scripted::answering([goes_on(2), Says::problem(status, code)]);
        let beats = beats(&master, 2, 2);
        assert!(matches!(beats[0].0, Beat::Held(_, false)));
        assert_eq!(beats[1].0, Beat::Lost);
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(master.count("heartbeat"), 2);
    }
}

#[test]
fn a_master_that_is_away_for_longer_than_the_lease_is_asked_until_it_is_back() {
    let begun = Instant::now();
    let away = Duration::from_secs(3);
    let master = Scripted::new(move |_| {
        if begun.elapsed() < away {
            Says::HangUp
        } else {
            Says::problem(409, "lease_lost")
        }
    });
    let beats = beats(&master, 2, 1);
    assert!(begun.elapsed() >= away);
    assert_eq!(beats[0].0, Beat::Lost);
}

#[test]
fn a_refusal_grants_nothing_and_what_comes_after_it_does() {
    // A token that was revoked and put right again; a proxy with an opinion of its own.
    for status in [400, 401, 403, 404, 413, 500, 503] {
        let refused = Says::problem(status, "no");
        let master = Scripted::answering([refused.clone(), refused, goes_on(2)]);
        let beats = beats(&master, 2, 1);
        assert!(matches!(beats[0].0, Beat::Held(_, false)), "{status}");
        assert!(master.count("heartbeat") >= 3);
    }
}

#[test]
fn that_somebody_wants_the_end_is_told_with_every_beat() {
    let cancel = Says::ok(&json!({"cancel": true, "lease_s": 2}));
    let master = Scripted::answering([cancel]);
    let beats = beats(&master, 2, 2);
    let all = beats
        .iter()
        .all(|(beat, _)| matches!(beat, Beat::Held(_, true)));
    assert!(all, "{beats:?}");
}

#[test]
fn whoever_kills_its_jobs_waits_for_no_heartbeat_for_long() {
    let late = Duration::from_mins(1);
    let master = Scripted::answering([Says::Late(late, 200, "{}".to_owned())]);
    let stop = Stop::default();
    stop.raise(Level::Kill);
    let begun = Instant::now();
    let beat = beat(&master.calls(), OF, 120, &stop);
    assert!(beat.is_err());
    assert!(begun.elapsed() < 2 * LAST_BEAT_MAX);
}
