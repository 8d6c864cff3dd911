//! From what was committed to what listeners are told.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::Utc;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::MissedTickBehavior;

use super::event::{Event, EventName};
use super::feed::Feed;
use crate::jobs;
use crate::queries;
use crate::store::Store;
use crate::store::changes::{Change, ChangeKind, Heard, ProjectMark};

/// A run that goes on is told of at most this often.
const PROGRESS_PAUSE: Duration = Duration::from_secs(1);

/// Changes that are looked up and told at a time.
const CHANGES_AT_ONCE: usize = 200;

/// Runs whose progress may wait to be told.
const PROGRESSED_MAX: usize = 10_000;

/// What is still to be told.
struct Telling {
    feed: Feed,
    store: Store,
    last_id: u64,
    /// Runs that went on since they were last told of.
    progressed: BTreeSet<i64>,
    /// Runs that started or ended.
    news: Vec<Change>,
    /// Jobs that came into another state, in order.
    jobs: Vec<i64>,
    /// Jobs that are not there any more, in order, and whom that concerns.
    deleted: Vec<(i64, ProjectMark)>,
    missed: bool,
}

/// Tells of starts and ends at once, and of progress once a pause, until nothing can be heard any
/// more. A writer never waits for this: what comes too fast is missed, and said to be.
pub(super) async fn run(feed: Feed, store: Store, mut heard: broadcast::Receiver<Heard>) {
    let mut telling = Telling {
        feed,
        store,
        last_id: 0,
        progressed: BTreeSet::new(),
        news: Vec::new(),
        jobs: Vec::new(),
        deleted: Vec::new(),
        missed: false,
    };
    let mut pause = tokio::time::interval(PROGRESS_PAUSE);
    pause.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = pause.tick() => telling.tell_progress().await,
            first = heard.recv() => {
                match first {
                    Ok(heard) => telling.take(heard),
                    Err(RecvError::Lagged(_)) => telling.missed = true,
                    Err(RecvError::Closed) => return,
                }
                telling.take_waiting(&mut heard);
                telling.tell_news().await;
            }
        }
    }
}

impl Telling {
    fn take(&mut self, heard: Heard) {
        match heard {
            Heard::Missed => self.missed = true,
            Heard::Change(change) if change.kind == ChangeKind::Progressed => {
                if self.progressed.len() < PROGRESSED_MAX {
                    self.progressed.insert(change.id);
                }
            }
            Heard::Change(change) if change.kind == ChangeKind::JobChanged => {
                // It is told of as it is then, so once is enough.
                if !self.jobs.contains(&change.id) {
                    self.jobs.push(change.id);
                }
            }
            // Whoever reads the log of a job hears of it where he reads.
            Heard::Change(change) if change.kind == ChangeKind::JobLog => {}
            Heard::Change(Change {
                kind: ChangeKind::JobDeleted { project },
                id,
            }) => self.deleted.push((id, project)),
            Heard::Change(change) => {
                self.progressed.remove(&change.id);
                self.news.push(change);
            }
        }
    }

    fn take_waiting(&mut self, heard: &mut broadcast::Receiver<Heard>) {
        while self.news.len() + self.jobs.len() + self.deleted.len() < CHANGES_AT_ONCE {
            match heard.try_recv() {
                Ok(heard) => self.take(heard),
                Err(TryRecvError::Lagged(_)) => self.missed = true,
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    async fn tell_news(&mut self) {
        if std::mem::take(&mut self.missed) {
            self.tell_missed();
        }
        let news = std::mem::take(&mut self.news);
        self.tell(&news).await;
        let jobs = std::mem::take(&mut self.jobs);
        self.tell_jobs(&jobs).await;
        // After the last that was told of them.
        for (job, project) in std::mem::take(&mut self.deleted) {
            let event = Event::of_deleted_job(self.next_id(), job, project);
            self.feed.publish(event);
        }
    }

    /// Tells of jobs as they are now; one that vanished meanwhile is not told of.
    async fn tell_jobs(&mut self, ids: &[i64]) {
        if ids.is_empty() || !self.feed.has_listeners() {
            return;
        }
        let jobs = match jobs::by_ids(&self.store, ids).await {
            Ok(jobs) => jobs,
            Err(error) => {
                tracing::warn!(%error, "listeners miss events, because the jobs cannot be read");
                return self.tell_missed();
            }
        };
        for id in ids {
            if let Some(job) = jobs.iter().find(|job| job.id == *id) {
                let event = Event::of_job(self.next_id(), job);
                self.feed.publish(event);
            }
        }
    }

    async fn tell_progress(&mut self) {
        while let Some(last) = self.progressed.iter().nth(CHANGES_AT_ONCE - 1).copied() {
            let rest = self.progressed.split_off(&(last + 1));
            let part = std::mem::replace(&mut self.progressed, rest);
            self.tell(&progress(part)).await;
        }
        let rest = std::mem::take(&mut self.progressed);
        self.tell(&progress(rest)).await;
    }

    /// Tells of runs as they are now; one that vanished meanwhile is not told of.
    async fn tell(&mut self, changes: &[Change]) {
        if changes.is_empty() || !self.feed.has_listeners() {
            return;
        }
        let ids: Vec<i64> = changes.iter().map(|change| change.id).collect();
        let runs = match queries::runs::by_ids(&self.store, &ids).await {
            Ok(runs) => runs,
            Err(error) => {
                tracing::warn!(%error, "listeners miss events, because the runs cannot be read");
                return self.tell_missed();
            }
        };
        for change in changes {
            let name = match change.kind {
                ChangeKind::Started => EventName::RunStarted,
                ChangeKind::Progressed => EventName::RunProgressed,
                ChangeKind::Finished => EventName::RunFinished,
                ChangeKind::JobChanged | ChangeKind::JobLog | ChangeKind::JobDeleted { .. } => {
                    continue;
                }
            };
            if let Some(run) = runs.iter().find(|run| run.id == change.id) {
                let event = Event::of(self.next_id(), name, run);
                self.feed.publish(event);
            }
        }
    }

    fn tell_missed(&mut self) {
        let event = Event::missed(Some(self.next_id()));
        self.feed.publish(event);
    }

    /// Microseconds since 1970, or one more than the last while the clock stands or goes back: so
    /// that ids also grow over restarts.
    fn next_id(&mut self) -> u64 {
        let now = Utc::now().timestamp_micros().max(0).cast_unsigned();
        self.last_id = now.max(self.last_id + 1);
        self.last_id
    }
}

fn progress(runs: BTreeSet<i64>) -> Vec<Change> {
    let kind = ChangeKind::Progressed;
    runs.into_iter().map(|id| Change { kind, id }).collect()
}
