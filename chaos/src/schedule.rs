//! Which fault is tried when, and for how long.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use crate::faults::Fault;
use crate::ledger::Row;
use crate::stage::Engine;

/// Shortest time for a fault that is asked for, so that each can make its first rounds.
const FAULT_TIME_MIN: Duration = Duration::from_secs(1);

/// What is left to do.
#[derive(Debug)]
pub(crate) struct Schedule<'a> {
    /// Everything to try, in the order of the ledger.
    pub(crate) chosen: &'a [(&'static Fault, Engine)],
    /// Indexes of those that nobody has begun.
    pub(crate) waiting: Mutex<Vec<usize>>,
    /// How many are tried at the same time.
    pub(crate) lanes: usize,
    /// How long all may take.
    pub(crate) total: Duration,
    /// When the first was begun.
    pub(crate) started: Instant,
}

impl Schedule<'_> {
    /// Tries each; answers with their rows in the order of the ledger.
    pub(crate) fn all(
        &self,
        attempt: &(impl Fn(usize, Instant) -> Result<Row> + Sync),
    ) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        std::thread::scope(|scope| {
            let threads = (0..self.lanes).map(|lane| scope.spawn(move || self.lane(lane, attempt)));
            let threads: Vec<_> = threads.collect();
            for thread in threads {
                rows.extend(thread.join().map_err(|_| anyhow!("a thread panicked"))??);
            }
            anyhow::Ok(())
        })?;
        rows.sort_by_key(|&(index, _)| index);
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }

    fn lane(
        &self,
        lane: usize,
        attempt: &impl Fn(usize, Instant) -> Result<Row>,
    ) -> Result<Vec<(usize, Row)>> {
        let mut rows = Vec::new();
        while let Some(index) = self.next(lane) {
            rows.push((index, attempt(index, Instant::now() + self.share(index))?));
        }
        Ok(rows)
    }

    /// Crowds go one after the other as long as there is something else to do beside them.
    fn next(&self, lane: usize) -> Option<usize> {
        let mut waiting = self.waiting.lock().ok()?;
        let liked = |&index: &usize| self.chosen[index].0.crowd == (lane == 0) || self.lanes == 1;
        let place = waiting.iter().position(liked).unwrap_or(0);
        (!waiting.is_empty()).then(|| waiting.remove(place))
    }

    /// What is left of the time is shared among this one and those that come after it.
    fn share(&self, index: usize) -> Duration {
        let weights = self.chosen[index..].iter().map(|(fault, _)| fault.weight);
        let left = self.total.saturating_sub(self.started.elapsed());
        left.mul_f64(self.chosen[index].0.weight / weights.sum::<f64>())
            .max(FAULT_TIME_MIN)
    }
}
