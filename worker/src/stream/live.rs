//! The stream while the tests go on: opened, fed, and kept alive.

use std::time::{Duration, Instant};

use shared::case::NewCase;
use shared::limits::BATCH_CASES_MAX;
use shared::stream::Progress;

use super::batch::Batch;
use super::calls::Calls;
use super::sent::Sent;
use super::source::{BATCH_TEXT_BYTES_MAX, Source};
use crate::backoff::backoff;
use crate::client::{self, SendError};

/// How often new cases are looked for.
pub(super) const TICK: Duration = Duration::from_secs(1);

/// A master that heard nothing for this long is told that the worker lives.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// Longest wait for one answer.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest wait after failures, and the longest that a master may ask for.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// A wait that only the end of the tests ends.
const FOREVER: Duration = Duration::from_hours(24);

/// How far the stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The master has not acknowledged the opening.
    Closed,
    /// It takes batches.
    Open,
    /// It refused a batch for good: it only hears that the worker lives, and gets the run whole.
    SignsOfLife,
    /// Nothing more is sent before the end.
    Off,
}

/// One run on its way.
#[derive(Debug)]
pub struct Stream {
    source: Source,
    pub(super) phase: Phase,
    /// The opening, made once.
    opening: Option<Vec<u8>>,
    /// The batch that is not acknowledged.
    pub(super) pending: Option<Batch>,
    /// Number of the last batch that was made.
    pub(super) number: u64,
    pub(super) sent: Sent,
    /// What the master was told last, and when.
    told: Option<(Progress, Instant)>,
    /// Calls that failed one after another.
    failures: u32,
    /// Whether the last of them got no answer in its time.
    pub(super) is_hung: bool,
    /// Since when nobody was reached.
    unreachable_since: Option<Instant>,
}

impl Stream {
    /// A stream of which nothing has been sent.
    pub fn new(source: Source) -> Self {
        Self {
            source,
            phase: Phase::Closed,
            opening: None,
            pending: None,
            number: 0,
            sent: Sent::default(),
            told: None,
            failures: 0,
            is_hung: false,
            unreachable_since: None,
        }
    }

    /// Since when every attempt found nobody to talk to.
    pub fn unreachable_since(&self) -> Option<Instant> {
        self.unreachable_since
    }

    /// Whether it makes sense to come early because many cases wait.
    pub fn wants_nudges(&self) -> bool {
        self.phase == Phase::Open && self.failures == 0
    }

    /// Does what is due, and answers how long there is nothing to do.
    pub fn step(&mut self, calls: &impl Calls) -> Duration {
        let done = match self.phase {
            Phase::Closed => self.open(calls).and_then(|()| self.feed(calls)),
            Phase::Open => self.feed(calls),
            Phase::SignsOfLife => {
                let told = self.told.as_ref().map(|(progress, _)| progress.clone());
                self.say_alive(calls, told.unwrap_or_default())
            }
            Phase::Off => return FOREVER,
        };
        match done {
            Ok(()) => {
                self.failures = 0;
                self.is_hung = false;
                self.unreachable_since = None;
                TICK
            }
            Err(error) => self.failed(&error),
        }
    }

    fn failed(&mut self, error: &SendError) -> Duration {
        self.is_hung = error.is_silence();
        if error.is_unreachable() {
            self.unreachable_since.get_or_insert_with(Instant::now);
        } else {
            self.unreachable_since = None;
        }
        if error.is_transient() {
            let wait = backoff(self.failures).max(error.retry_after().unwrap_or_default());
            self.failures = self.failures.saturating_add(1);
            return wait.min(WAIT_MAX);
        }
        self.failures = 0;
        self.phase = match self.phase {
            Phase::Open if self.pending.is_some() => Phase::SignsOfLife,
            _ => Phase::Off,
        };
        TICK
    }

    fn open(&mut self, calls: &impl Calls) -> Result<(), SendError> {
        if self.opening.is_none() {
            let Some(run) = self.source.opening() else {
                return Ok(());
            };
            let json = serde_json::to_vec(&run).map_err(|error| unwritten(&error))?;
            self.opening = Some(client::compress(&json).map_err(|error| unwritten(&error))?);
        }
        if let Some(body) = &self.opening {
            let answer = calls.open(body, ANSWER_TIMEOUT)?;
            agree(answer.batches, 0)?;
            self.phase = Phase::Open;
            self.told = Some((Progress::default(), Instant::now()));
        }
        Ok(())
    }

    /// Sends what is new, and if nothing is, perhaps a sign of life. After a full batch it looks
    /// for the next one at once, but never follows the tests with ever smaller ones.
    fn feed(&mut self, calls: &impl Calls) -> Result<(), SendError> {
        if self.phase != Phase::Open {
            return Ok(());
        }
        loop {
            let mut is_full = true;
            if self.pending.is_none() {
                let Some((cases, progress)) = self.source.take(BATCH_CASES_MAX) else {
                    return Ok(());
                };
                if cases.is_empty() {
                    return self.say_alive(calls, progress);
                }
                let pieces = self.pieces(&cases)?;
                is_full = pieces.len() == BATCH_CASES_MAX
                    || pieces.iter().map(Vec::len).sum::<usize>() >= BATCH_TEXT_BYTES_MAX;
                self.make_batch(&pieces, progress)?;
            }
            if let Some(batch) = &self.pending {
                let answer = calls.append(&batch.body, ANSWER_TIMEOUT)?;
                agree(answer.batches, batch.number)?;
                self.acknowledged();
            }
            if !is_full || calls.is_urgent() {
                return Ok(());
            }
        }
    }

    /// Cases as JSON, noted as sent.
    fn pieces(&mut self, cases: &[NewCase]) -> Result<Vec<Vec<u8>>, SendError> {
        let mut pieces = Vec::with_capacity(cases.len());
        for case in cases {
            let json = serde_json::to_vec(case).map_err(|error| unwritten(&error))?;
            self.sent.note(&case.nodeid, &json);
            pieces.push(json);
        }
        Ok(pieces)
    }

    pub(super) fn make_batch(
        &mut self,
        pieces: &[Vec<u8>],
        progress: Progress,
    ) -> Result<(), SendError> {
        let batch = Batch::new(self.number + 1, pieces, progress);
        self.pending = Some(batch.map_err(|error| unwritten(&error))?);
        self.number += 1;
        Ok(())
    }

    pub(super) fn acknowledged(&mut self) {
        if let Some(batch) = self.pending.take() {
            self.told = Some((batch.progress, Instant::now()));
        }
    }

    /// Tells a master that heard nothing for long that the worker lives, and soon what runs now if
    /// that is another test.
    fn say_alive(&mut self, calls: &impl Calls, progress: Progress) -> Result<(), SendError> {
        if let Some((told, at)) = &self.told {
            let silence = at.elapsed();
            let is_news = self.phase == Phase::Open && *told != progress && silence >= TICK;
            if silence < SIGN_OF_LIFE && !is_news {
                return Ok(());
            }
        }
        let batch = Batch::sign_of_life(self.number, progress);
        let batch = batch.map_err(|error| unwritten(&error))?;
        calls.append(&batch.body, ANSWER_TIMEOUT)?;
        self.told = Some((batch.progress, Instant::now()));
        Ok(())
    }
}

/// A master that counts other batches than ours has another run than ours.
pub(super) fn agree(theirs: u64, ours: u64) -> Result<(), SendError> {
    if theirs == ours {
        Ok(())
    } else {
        Err(SendError::Disagrees { theirs, ours })
    }
}

fn unwritten(error: &dyn std::error::Error) -> SendError {
    SendError::Client(error.to_string())
}
