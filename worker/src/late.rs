//! A run that comes later than its tests: out of its journal, to the master.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use shared::limits::PROBLEMS_MAX;
use shared::run::{NewRun, Problem, ProblemKind};
use shared::validate;

use crate::client::{self, Client, SendError};
use crate::journal::{Claimed, Contents, Fate, Head, Kept, Unreadable};
use crate::{shed, uploader};

/// A run that arrives longer than this after its end says so.
const LATE_AFTER: chrono::TimeDelta = chrono::TimeDelta::minutes(10);

/// It does not say when: what is sent a second time has to be the same to the letter.
const LATE: &str =
    "the run arrived more than 10 minutes after its end, out of its worker's journal";

/// A journal that was cut in its very first record is no larger.
const EMPTY_BYTES_MAX: u64 = 64 * 1024;

/// Why a run out of a journal did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum LateError {
    /// Its worker was killed before it had written whose run it is: there is nothing to keep.
    #[error("there is nothing in it")]
    Empty,
    /// It was meant for a master on another host, and is none of this one's business.
    #[error("it was meant for {0}; send it there with --master-url, or here with --any-master")]
    Elsewhere(String),
    /// It will not be taken: the master says so, or the run cannot even be sent. It is kept, with
    /// this reason.
    #[error("refused: {0}")]
    Refused(String),
    /// No master could make anything of it. It is kept for people to look at.
    #[error("{0}; it can be deleted with `pytest-platform-worker journal drop --force`")]
    Damaged(String),
    /// It may be taken another time.
    #[error(transparent)]
    Send(SendError),
    /// The disk does not give it.
    #[error(transparent)]
    Unreadable(Unreadable),
}

/// Refuses a run that was meant for a master on another host than this one.
pub fn check_destination(kept: &Kept, master_url: &str) -> Result<(), LateError> {
    // What cannot be read is told when it is sent.
    match Head::in_folder(&kept.folder) {
        Ok(head) if !client::is_same_host(&head.master_url, master_url) => {
            Err(LateError::Elsewhere(head.master_url))
        }
        _ => Ok(()),
    }
}

/// Sends a run, with this much time for it, notes what became of it, and answers its id.
pub fn send(client: &Client, claimed: &Claimed, timeout: Duration) -> Result<String, LateError> {
    let sent = recover_and_send(client, claimed, timeout);
    let at = Utc::now();
    match &sent {
        Ok(_) => claimed.note(&Fate::Uploaded { at }),
        Err(LateError::Refused(reason) | LateError::Damaged(reason)) => {
            let reason = reason.clone();
            claimed.note(&Fate::Refused { at, reason });
        }
        Err(_) => {}
    }
    sent
}

fn recover_and_send(
    client: &Client,
    claimed: &Claimed,
    timeout: Duration,
) -> Result<String, LateError> {
    let contents = Contents::of_claimed(claimed).map_err(|error| match error {
        // What is empty is deleted, so nobody's word is taken for it but the file's own size.
        Unreadable::Empty if claimed.kept.bytes <= EMPTY_BYTES_MAX => LateError::Empty,
        Unreadable::Empty | Unreadable::System(_) => LateError::Unreadable(error),
        Unreadable::NoHead(_) => LateError::Damaged(error.to_string()),
    })?;
    let is_whole = contents.is_whole();
    let recovered = contents.recover();
    let start = Instant::now();
    let mut run = recovered.run;
    if is_late(recovered.ended_at, Utc::now()) {
        let in_time = run.problems.clone();
        say_late(&mut run);
        let conflicts = |error: &LateError| matches!(error, LateError::Refused(_));
        match post(client, &run, start, timeout) {
            // It may have arrived in time, and only the answer was lost.
            Err(error) if conflicts(&error) => run.problems = in_time,
            done => return done.map(|()| run.run_id),
        }
    }
    match post(client, &run, start, timeout) {
        // The worker lived to send all of it, and had a disk that did not take that down.
        Err(LateError::Refused(_))
            if !is_whole && client.has_whole(&run.run_id, &run.worker_id, timeout) => {}
        done => done?,
    }
    Ok(run.run_id)
}

fn post(client: &Client, run: &NewRun, start: Instant, timeout: Duration) -> Result<(), LateError> {
    let refused = |error: &dyn std::error::Error| LateError::Refused(error.to_string());
    validate::run(run).map_err(|error| refused(&error))?;
    let body = shed::body(run).map_err(|error| refused(&error))?;
    let body = client::compress(&body).map_err(|error| refused(&error))?;
    match uploader::send(client, &body, start, timeout) {
        Ok(_) => Ok(()),
        Err(error) if is_for_good(&error) => Err(refused(&error)),
        Err(error) => Err(LateError::Send(error)),
    }
}

/// Whether a master will never take the run that it answered so. What is wrong with a token or an
/// address is no fault of the run's.
pub const fn is_for_good(error: &SendError) -> bool {
    matches!(
        error,
        SendError::Answered {
            status: 400 | 409 | 413 | 422,
            ..
        }
    )
}

fn is_late(ended_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    now.signed_duration_since(ended_at) > LATE_AFTER
}

fn say_late(run: &mut NewRun) {
    run.problems.truncate(PROBLEMS_MAX - 1);
    run.problems.push(Problem {
        kind: ProblemKind::Late,
        place: String::new(),
        text: LATE.to_owned(),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_late_when_people_may_have_looked_for_it() {
        let ended_at = Utc::now();
        assert!(!is_late(ended_at, ended_at + chrono::TimeDelta::minutes(9)));
        assert!(is_late(ended_at, ended_at + chrono::TimeDelta::minutes(11)));
        // A clock that was set back makes nothing late.
        assert!(!is_late(ended_at, ended_at - chrono::TimeDelta::days(1)));
    }

    #[test]
    fn only_a_fault_of_the_run_is_for_good() {
        let answered = |status| SendError::Answered {
            url: String::new(),
            status,
            text: String::new(),
            retry_after: None,
        };
        assert!(is_for_good(&answered(422)) && is_for_good(&answered(409)));
        assert!(!is_for_good(&answered(401)) && !is_for_good(&answered(503)));
    }
}
