//! Heartbeats: as long as they are answered, the job is this agent's.

use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use shared::lease::Heartbeat;

use super::attempt::Leased;
use super::calls::{CallError, Calls};
use super::clock::Moment;
use super::reach::Reach;
use super::stop::Stop;
use crate::client::SendError;

/// Shortest and longest time between two heartbeats.
const INTERVAL_MIN: Duration = Duration::from_millis(200);
const INTERVAL_MAX: Duration = Duration::from_secs(3);

/// When jobs are killed, the last of them have so long to tell the master. Their leases must hold for that.
const LAST_BEAT_MAX: Duration = Duration::from_secs(5);

/// What a heartbeat told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    /// The job is this agent's at least until then, with time left to end it; whether it is to be ended.
    Held(Moment, bool),
    /// It is not.
    Lost,
}

/// One heartbeat. What it grants counts from when it was sent.
pub fn beat(calls: &Calls, of: Leased, lease_s: u32, stop: &Stop) -> Result<Beat, CallError> {
    let sent = Moment::now();
    let lease = Duration::from_secs(lease_s.into());
    let timeout = (lease / 4).max(INTERVAL_MIN);
    match calls.heartbeat(of, timeout, stop.killed(LAST_BEAT_MAX)) {
        Ok(Heartbeat { cancel, lease_s }) => Ok(Beat::Held(sent.plus(granted(lease_s)), cancel)),
        Err(CallError::Lost) => Ok(Beat::Lost),
        Err(error) => Err(error),
    }
}

/// Two thirds of a lease: what is left is for ending everything.
fn granted(lease_s: u32) -> Duration {
    Duration::from_secs(lease_s.into()) * 2 / 3
}

/// Beats until `over` is disconnected or the lease is lost.
pub fn keep_beating(
    calls: &Calls,
    of: Leased,
    lease_s: u32,
    (reach, stop): (&Reach, &Stop),
    tell: &Sender<Beat>,
    over: &Receiver<()>,
) {
    let interval = Duration::from_secs(lease_s.into()) / 10;
    let interval = interval.clamp(INTERVAL_MIN, INTERVAL_MAX);
    while over.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
        match beat(calls, of, lease_s, stop) {
            Ok(beat) => {
                reach.reached();
                // Whoever no longer listens will hear it at the end.
                let _ = tell.send_timeout(beat, interval);
                if beat == Beat::Lost {
                    return;
                }
            }
            Err(CallError::Send(SendError::GivenUp { .. })) => return,
            Err(CallError::Send(error)) => reach.failed(&error),
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
