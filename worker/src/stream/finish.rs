//! The end of the stream: the master gets what differs from what it has.

use std::time::{Duration, Instant};

use shared::case::NewCase;
use shared::limits::{BATCH_CASES_MAX, BODY_BYTES_MAX};
use shared::run::NewRun;
use shared::stream::{Finish, Progress};

use super::calls::Calls;
use super::live::{ANSWER_TIMEOUT, Phase, Stream, agree};
use crate::client::{self, SendError};

/// Batches that are always sent at the end. When there are more, and they are most of the run, one
/// large request is quicker than many small ones.
const LAST_BATCHES_MAX: usize = 4;

/// Most JSON in one batch, beyond its first case.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Why the run is to be sent whole. Nobody hears of it: the whole run says everything.
#[derive(Debug, thiserror::Error)]
pub enum Unfinished {
    /// The stream was not in order when the tests ended.
    #[error("the stream was not in order")]
    NotOpen,
    /// Most of the run is still here.
    #[error("most of the run is not sent yet")]
    MostlyHere,
    /// The master would have a test that the run does not have.
    #[error("a test was sent that is not in the run")]
    TooMuch,
    /// The whole is larger than a master takes, so that texts have to be given up.
    #[error("the run is larger than a master takes")]
    TooLarge,
    /// A call failed.
    #[error(transparent)]
    Send(#[from] SendError),
    /// Something cannot be written.
    #[error("{0}")]
    Body(String),
}

impl Stream {
    /// Makes what the master has equal to the run, and finishes it. `run` is the run without its
    /// cases.
    pub fn finish(
        &mut self,
        calls: &impl Calls,
        run: &NewRun,
        cases: &[NewCase],
        deadline: Instant,
    ) -> Result<(), Unfinished> {
        if self.phase != Phase::Open || self.is_hung {
            return Err(Unfinished::NotOpen);
        }
        let missing = self.missing(run, cases)?;
        let progress = Progress {
            collected: run.collected,
            deselected: run.deselected,
            running: run.running.clone(),
            running_count: run.running_count,
        };
        self.send_pending(calls, deadline)?;
        for pieces in in_batches(&missing) {
            self.make_batch(pieces, progress.clone())?;
            self.send_pending(calls, deadline)?;
        }
        let finish = Finish {
            batches: self.number,
            run: run.clone(),
        };
        let json = serde_json::to_vec(&finish).map_err(|error| unwritten(&error))?;
        let body = client::compress(&json).map_err(|error| unwritten(&error))?;
        repeated(|| calls.finish(&body, left(deadline)))?;
        Ok(())
    }

    /// Sends the batch that is not acknowledged, if there is one.
    fn send_pending(&mut self, calls: &impl Calls, deadline: Instant) -> Result<(), SendError> {
        if let Some(batch) = &self.pending {
            let answer = repeated(|| calls.append_last(&batch.body, left(deadline)))?;
            agree(answer.batches, batch.number)?;
            self.acknowledged();
        }
        Ok(())
    }

    /// JSON of the cases that the master does not have in this form.
    fn missing(&self, run: &NewRun, cases: &[NewCase]) -> Result<Vec<Vec<u8>>, Unfinished> {
        let mut missing = Vec::new();
        let mut known = 0;
        let mut bytes = serde_json::to_vec(run)
            .map_err(|error| unwritten(&error))?
            .len();
        for case in cases {
            let json = serde_json::to_vec(case).map_err(|error| unwritten(&error))?;
            bytes += json.len() + 1;
            known += usize::from(self.sent.knows(&case.nodeid));
            if !self.sent.has(&case.nodeid, &json) {
                missing.push(json);
            }
        }
        if known != self.sent.tests() {
            return Err(Unfinished::TooMuch);
        }
        if bytes + CASES_KEY.len() > BODY_BYTES_MAX {
            return Err(Unfinished::TooLarge);
        }
        if missing.len() > LAST_BATCHES_MAX * BATCH_CASES_MAX && missing.len() > cases.len() / 2 {
            return Err(Unfinished::MostlyHere);
        }
        Ok(missing)
    }
}

/// What the whole run has around its cases.
const CASES_KEY: &str = r#","cases":[]"#;

/// Tries a second time when the connection broke: the answer may have got lost, or the master may
/// have closed a connection that was idle.
fn repeated<A>(call: impl Fn() -> Result<A, SendError>) -> Result<A, SendError> {
    match call() {
        Err(SendError::Broken { .. }) => call(),
        done => done,
    }
}

/// Half of what is left, so that the run can still be sent whole.
fn left(deadline: Instant) -> Duration {
    let left = deadline.saturating_duration_since(Instant::now());
    (left / 2).min(ANSWER_TIMEOUT)
}

/// Cuts cases into batches: neither too many cases nor too many bytes.
fn in_batches(mut cases: &[Vec<u8>]) -> impl Iterator<Item = &[Vec<u8>]> {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fitting = cases.iter().take(BATCH_CASES_MAX).take_while(|json| {
            let fits = bytes == 0 || bytes + json.len() <= BATCH_BYTES_MAX;
            bytes += json.len();
            fits
        });
        let (batch, rest) = cases.split_at(fitting.count());
        cases = rest;
        (!batch.is_empty()).then_some(batch)
    })
}

fn unwritten(error: &dyn std::error::Error) -> Unfinished {
    Unfinished::Body(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_have_neither_too_many_cases_nor_too_many_bytes() {
        let small = vec![vec![b'x'; 10]; BATCH_CASES_MAX * 2 + 1];
        let counts: Vec<usize> = in_batches(&small).map(<[_]>::len).collect();
        assert_eq!(counts, [BATCH_CASES_MAX, BATCH_CASES_MAX, 1]);
        let large = vec![vec![b'x'; BATCH_BYTES_MAX / 2 + 1]; 3];
        assert_eq!(in_batches(&large).count(), 3);
        let huge = vec![vec![b'x'; BATCH_BYTES_MAX * 2]];
        assert_eq!(in_batches(&huge).count(), 1);
        assert_eq!(in_batches(&[]).count(), 0);
    }
}
