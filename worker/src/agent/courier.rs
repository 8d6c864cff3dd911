//! Takes what is in a job's outbox to the master.

use std::time::Duration;

use super::attempt::Leased;
use super::calls::{CallError, Calls};
use super::outbox::{Item, Outbox};
use super::reach::Reach;
use super::stop::Stop;
use crate::backoff::backoff;
use crate::client::SendError;
use crate::report;

/// Sends until nothing is left, the lease is over, or it is given up.
pub fn carry(calls: &Calls, of: Leased, outbox: &Outbox, reach: &Reach, end: &Stop) {
    let mut failures = 0;
    while let Some(item) = outbox.next() {
        // Whoever kills its jobs has no time for their logs.
        let killed = end.killed(Duration::ZERO);
        let sent = match &item {
            Item::Step(step) => calls.step(of, step, killed).map(|()| outbox.step_arrived()),
            Item::Log(from, piece) => calls.log(of, *from, piece.clone(), killed).map(|kept| {
                if kept.full {
                    outbox.log_refused();
                } else {
                    // What it has beyond this piece was sent before.
                    outbox.log_arrived(kept.bytes);
                }
            }),
        };
        match sent {
            Ok(()) => {
                failures = 0;
                reach.reached();
            }
            Err(CallError::Lost | CallError::Send(SendError::GivenUp { .. })) => return,
            // What it has already changes nothing when it is sent again. Before the beginning there is
            // no gap: whoever says so will take nothing.
            Err(CallError::Gap) if matches!(item, Item::Log(0, _)) => outbox.log_refused(),
            Err(CallError::Gap) => {
                outbox.log_arrived(0);
                outbox.pause(backoff(failures));
                failures += 1;
            }
            Err(error) => {
                if let CallError::Send(error) = &error {
                    reach.failed(error);
                }
                if error.is_worth_a_retry() {
                    outbox.pause(backoff(failures));
                    failures += 1;
                    continue;
                }
                report::say(&format!("job {}: {error}", of.job));
                match item {
                    Item::Step(_) => outbox.step_arrived(),
                    Item::Log(..) => outbox.log_refused(),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
