//! The one writer: takes what is waiting, writes it in one transaction, commits, then answers all.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::error::IngestError;
use super::save::Streamed;
use super::stream::Tallies;
use super::work::{Work, Written};
use super::write;
use crate::store::{Store, StoreError};

/// How much may wait for the writer.
const WORK_WAITING_MAX: usize = 64;

/// Most runs in one transaction.
const BATCH_RUNS_MAX: usize = 64;

/// A transaction takes no more runs once it holds this much.
const BATCH_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How often a transaction that lost against another master's is tried again.
const TRIES_MAX: u32 = 8;

type Answer = Result<Streamed, IngestError>;

struct Job {
    work: Work,
    answer: oneshot::Sender<Answer>,
}

/// The way to the writer.
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
}

/// The writer behind an [`super::Ingest`].
#[derive(Debug)]
pub struct IngestTask {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl IngestTask {
    /// Takes nothing new, and waits until everything that was accepted is durable and answered. A
    /// run that is still being built is refused with [`StoreError::Closed`].
    pub async fn finish(self) {
        let _ = self.stop.send(());
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the writer did not end well");
        }
    }
}

impl Writer {
    /// Hands work over and waits until it is durable.
    pub(super) async fn write(&self, work: Work) -> Answer {
        let (answer, answered) = oneshot::channel();
        self.jobs
            .send(Job { work, answer })
            .await
            .map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}

/// Starts the writer.
pub(super) fn start(store: Store) -> (Writer, IngestTask) {
    let (jobs, waiting) = mpsc::channel(WORK_WAITING_MAX);
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(run(store, waiting, stopped));
    (Writer { jobs }, IngestTask { stop, task })
}

async fn run(store: Store, mut waiting: mpsc::Receiver<Job>, mut stopped: oneshot::Receiver<()>) {
    let mut stopping = false;
    let mut tallies = Tallies::default();
    loop {
        let first = tokio::select! {
            biased;
            _ = &mut stopped, if !stopping => {
                // What is in the channel is still written; then `recv` answers `None`.
                stopping = true;
                waiting.close();
                continue;
            }
            job = waiting.recv() => job,
        };
        let Some(first) = first else {
            break;
        };
        let mut bytes = first.work.bytes();
        let mut batch = vec![first];
        while batch.len() < BATCH_RUNS_MAX && bytes < BATCH_BYTES_MAX {
            let Ok(next) = waiting.try_recv() else {
                break;
            };
            bytes += next.work.bytes();
            batch.push(next);
        }
        commit(&store, batch, &mut tallies).await;
        tallies.trim();
    }
}

/// Writes a batch and answers it. When that fails, and not for a reason that concerns all, each run
/// is tried alone, so that a bad one does not sink the others.
async fn commit(store: &Store, batch: Vec<Job>, tallies: &mut Tallies) {
    let works: Vec<&Work> = batch.iter().map(|job| &job.work).collect();
    let answers: Vec<Answer> = match write(store, &works, tallies).await {
        Ok(written) => written.into_iter().map(Written::answer).collect(),
        Err(error) if batch.len() == 1 || error.is_transient() => {
            let error = Arc::new(error);
            tracing::error!(%error, runs = batch.len(), "a transaction failed");
            let all = batch.iter().map(|_| StoreError::Batch(Arc::clone(&error)));
            all.map(|error| Err(IngestError::Store(error))).collect()
        }
        Err(error) => {
            tracing::warn!(%error, runs = batch.len(), "a transaction failed, each run goes alone");
            let mut answers = Vec::new();
            for work in works {
                let written = write(store, &[work], tallies).await;
                answers.push(match written.map(|mut written| written.pop()) {
                    Ok(Some(written)) => written.answer(),
                    Ok(None) => Err(StoreError::Closed.into()),
                    Err(error) => Err(error.into()),
                });
            }
            answers
        }
    };
    for (job, answer) in batch.into_iter().zip(answers) {
        // The client may have gone; the run is kept all the same.
        let _ = job.answer.send(answer);
    }
}

/// Writes a batch, again and again while it collides with another master's.
async fn write(
    store: &Store,
    works: &[&Work],
    tallies: &mut Tallies,
) -> Result<Vec<Written>, StoreError> {
    let mut tries = 1;
    loop {
        let written = write::batch(store, works, tallies).await;
        if let Err(error) = &written {
            store.writes().failed(error);
            tallies.clear();
        }
        match written {
            Err(error) if error.is_collision() && tries < TRIES_MAX => {
                tokio::time::sleep(Duration::from_millis(5 << tries)).await;
                tries += 1;
            }
            other => return other,
        }
    }
}
