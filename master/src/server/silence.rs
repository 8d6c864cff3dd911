//! Closes runs whose workers went silent.
//!
//! Silence is measured by this process, with a clock that is never set: a run is silent when its
//! pulse has not changed since this master first saw it. So a wall clock that is stepped closes
//! nothing, a master that was away itself gives every worker a whole period after its start, and
//! several masters on one database need not agree on the time. Whichever closes a run first does so;
//! the pulse is compared once more inside of the transaction.

use std::collections::HashMap;
use std::time::Duration;

use chrono::Utc;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use crate::ingest::{Ingest, IngestError, LiveRun};
use crate::store::StoreError;

/// Longest time between two looks at the runs that go on.
const LOOK_EVERY_MAX: Duration = Duration::from_secs(5);

/// Looks in one period of silence, so that a short one is kept to as well.
const LOOKS_PER_SILENCE: u32 = 10;

/// How long the same finish is answered again.
const FINISHED_KEPT: Duration = Duration::from_hours(24);

/// How long a worker can go on with a run that was lost: as long as somebody may be away.
const LOST_KEPT: Duration = Duration::from_hours(30 * 24);

/// How often runs are looked through for those that are older.
const FORGET_EVERY: Duration = Duration::from_hours(1);

/// The task that looks.
#[derive(Debug)]
pub(super) struct SilenceTask {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl SilenceTask {
    /// Starts to look.
    pub(super) fn start(ingest: Ingest, silence_max: Duration) -> Self {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            tokio::select! {
                _ = stopped => {}
                () = look_again_and_again(&ingest, silence_max) => {}
            }
        });
        Self { stop, task }
    }

    /// Ends it. What is being written is written by the writer, or not at all.
    pub(super) async fn finish(self) {
        let _ = self.stop.send(());
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the search for silent runs did not end well");
        }
    }
}

async fn look_again_and_again(ingest: &Ingest, silence_max: Duration) {
    let every = (silence_max / LOOKS_PER_SILENCE).clamp(Duration::from_millis(10), LOOK_EVERY_MAX);
    let mut looks = tokio::time::interval(every);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sightings = Sightings::default();
    let mut forgot: Option<Instant> = None;
    loop {
        looks.tick().await;
        if let Err(error) = close_silent(ingest, &mut sightings, silence_max).await {
            tracing::warn!(%error, "silent runs cannot be looked for; every worker gets more time");
            // While the database is away, workers cannot be heard.
            sightings = Sightings::default();
        }
        if forgot.is_none_or(|forgot| forgot.elapsed() >= FORGET_EVERY) {
            forgot = Some(Instant::now());
            if let Err(error) = forget(ingest).await {
                tracing::warn!(%error, "what is no longer needed of runs cannot be tidied up");
            }
        }
    }
}

async fn forget(ingest: &Ingest) -> Result<(), StoreError> {
    let now = Utc::now();
    ingest.forget_finished(now - FINISHED_KEPT).await?;
    ingest.forget_lost(now - LOST_KEPT).await
}

async fn close_silent(
    ingest: &Ingest,
    sightings: &mut Sightings,
    silence_max: Duration,
) -> Result<(), IngestError> {
    let live = ingest.live().await?;
    for run in sightings.silent(live, Instant::now(), silence_max) {
        match ingest.close_silent(&run, silence_max).await {
            Ok(true) => tracing::warn!(run_id = run.run_id, "closed as lost: its worker is silent"),
            Ok(false) => {}
            Err(IngestError::Store(error)) if error.is_transient() => return Err(error.into()),
            Err(IngestError::Busy) => return Err(IngestError::Busy),
            // One run that cannot be closed must not keep the others from it.
            Err(error) => tracing::error!(run_id = run.run_id, %error, "cannot be closed"),
        }
    }
    Ok(())
}

/// Since when each run has been as it is.
#[derive(Debug, Default)]
struct Sightings {
    runs: HashMap<String, (i64, Instant)>,
    looked: Option<Instant>,
}

impl Sightings {
    /// Takes note of the runs that go on, and answers those that did not change for too long.
    fn silent(&mut self, live: Vec<LiveRun>, now: Instant, silence_max: Duration) -> Vec<LiveRun> {
        // Who did not look for so long was not there to hear either: stopped, or out of breath.
        let was_away = |looked| now.duration_since(looked) > silence_max / 2;
        if self.looked.is_some_and(was_away) {
            self.runs.clear();
        }
        self.looked = Some(now);
        let mut silent = Vec::new();
        let mut seen = HashMap::with_capacity(live.len());
        for run in live {
            let since = match self.runs.get(&run.run_id) {
                Some((pulse, since)) if *pulse == run.pulse => *since,
                _ => now,
            };
            seen.insert(run.run_id.clone(), (run.pulse, since));
            if now.duration_since(since) >= silence_max {
                silent.push(run);
            }
        }
        self.runs = seen;
        silent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: Duration = Duration::from_mins(2);

    fn run(run_id: &str, pulse: i64) -> LiveRun {
        LiveRun {
            run_id: run_id.to_owned(),
            pulse,
        }
    }

    #[test]
    fn a_run_is_silent_when_it_did_not_change_for_the_whole_period() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut sightings = Sightings::default();
        let mut look =
            |seconds, live: &[LiveRun]| sightings.silent(live.to_vec(), at(seconds), MAX);
        assert_eq!(look(0, &[run("a", 1), run("b", 1)]), []);
        assert_eq!(look(60, &[run("a", 1), run("b", 2)]), []);
        assert_eq!(look(119, &[run("a", 1), run("b", 2)]), []);
        assert_eq!(look(120, &[run("a", 1), run("b", 2)]), [run("a", 1)]);
        assert_eq!(look(179, &[run("b", 2)]), []);
        assert_eq!(look(180, &[run("a", 2), run("b", 2)]), [run("b", 2)]);
    }

    #[test]
    fn a_master_that_did_not_look_gives_everybody_more_time() {
        let start = Instant::now();
        let mut sightings = Sightings::default();
        let live = || vec![run("a", 1)];
        assert_eq!(sightings.silent(live(), start, MAX), []);
        assert_eq!(sightings.silent(live(), start + 10 * MAX, MAX), []);
        assert_eq!(
            sightings.silent(live(), start + 10 * MAX + MAX / 2, MAX),
            []
        );
        assert_eq!(sightings.silent(live(), start + 11 * MAX, MAX), live());
    }
}
