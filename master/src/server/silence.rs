//! Closes runs whose workers went silent.
//!
//! Silence is measured by a clock that is never set, see [`super::sightings`]. Whichever master closes a
//! run first does so; the pulse is compared once more inside of the transaction.

use std::time::Duration;

use chrono::Utc;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use super::sightings::{Living, Sightings};
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
    let mut sightings = Sightings::new(silence_max / 2);
    let mut forgot: Option<Instant> = None;
    loop {
        looks.tick().await;
        if let Err(error) = close_silent(ingest, &mut sightings, silence_max).await {
            tracing::warn!(%error, "silent runs cannot be looked for; every worker gets more time");
            // While the database is away, workers cannot be heard.
            sightings.clear();
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
    sightings: &mut Sightings<String>,
    silence_max: Duration,
) -> Result<(), IngestError> {
    let live = ingest.live().await?;
    let seen = sightings.look(live, Instant::now());
    let silent = seen.into_iter().filter(|seen| seen.silent >= silence_max);
    for run in silent.map(|seen| seen.living) {
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

impl Living for LiveRun {
    type Key = String;

    fn key(&self) -> String {
        self.run_id.clone()
    }

    fn pulse(&self) -> i64 {
        self.pulse
    }
}
