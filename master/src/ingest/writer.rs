//! The one writer: takes what is waiting, writes it in one transaction, commits, then answers all.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::error::IngestError;
use super::plan::Plan;
use super::save::Saved;
use super::write::{self, Written};
use crate::store::{Store, StoreError};

/// Plans that may wait for the writer.
const PLANS_WAITING_MAX: usize = 64;

/// Most runs in one transaction.
const BATCH_RUNS_MAX: usize = 64;

/// A transaction takes no more runs once it holds this much.
const BATCH_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How often a transaction that lost against another master's is tried again.
const TRIES_MAX: u32 = 8;

type Answer = Result<Saved, IngestError>;

struct Job {
    plan: Box<Plan>,
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
    /// Hands a plan over and waits until it is durable.
    pub(super) async fn write(&self, plan: Box<Plan>) -> Answer {
        let (answer, answered) = oneshot::channel();
        self.jobs
            .send(Job { plan, answer })
            .await
            .map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}

/// Starts the writer.
pub(super) fn start(store: Store) -> (Writer, IngestTask) {
    let (jobs, waiting) = mpsc::channel(PLANS_WAITING_MAX);
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(run(store, waiting, stopped));
    (Writer { jobs }, IngestTask { stop, task })
}

async fn run(store: Store, mut waiting: mpsc::Receiver<Job>, mut stopped: oneshot::Receiver<()>) {
    let mut stopping = false;
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
        let mut bytes = first.plan.bytes();
        let mut batch = vec![first];
        while batch.len() < BATCH_RUNS_MAX && bytes < BATCH_BYTES_MAX {
            let Ok(next) = waiting.try_recv() else {
                break;
            };
            bytes += next.plan.bytes();
            batch.push(next);
        }
        commit(&store, batch).await;
    }
}

/// Writes a batch and answers it. When that fails, and not for a reason that concerns all, each run
/// is tried alone, so that a bad one does not sink the others.
async fn commit(store: &Store, batch: Vec<Job>) {
    let plans: Vec<&Plan> = batch.iter().map(|job| &*job.plan).collect();
    let answers: Vec<Answer> = match write(store, &plans).await {
        Ok(written) => written.into_iter().map(answer).collect(),
        Err(error) if batch.len() == 1 || error.is_transient() => {
            let error = Arc::new(error);
            tracing::error!(%error, runs = batch.len(), "a transaction failed");
            let all = batch.iter().map(|_| StoreError::Batch(Arc::clone(&error)));
            all.map(|error| Err(IngestError::Store(error))).collect()
        }
        Err(error) => {
            tracing::warn!(%error, runs = batch.len(), "a transaction failed, each run goes alone");
            let mut answers = Vec::new();
            for plan in plans {
                let written = write(store, &[plan]).await.map(|mut written| written.pop());
                answers.push(match written {
                    Ok(Some(written)) => answer(written),
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

fn answer(written: Written) -> Answer {
    match written {
        Written::Created => Ok(Saved::Created),
        Written::Unchanged => Ok(Saved::Unchanged),
        Written::Conflict => Err(IngestError::Conflict),
    }
}

/// Writes a batch, again and again while it collides with another master's.
async fn write(store: &Store, plans: &[&Plan]) -> Result<Vec<Written>, StoreError> {
    let mut tries = 1;
    loop {
        match write::batch(store, plans).await {
            Err(error) if error.is_collision() && tries < TRIES_MAX => {
                tokio::time::sleep(Duration::from_millis(5 << tries)).await;
                tries += 1;
            }
            other => return other,
        }
    }
}
