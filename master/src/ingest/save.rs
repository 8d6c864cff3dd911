//! The door of the store: one call per run, durable when it answers.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use shared::run::NewRun;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::error::IngestError;
use super::intern::Interner;
use super::plan::{self, Plan};
use super::prepare::{self, Prepared};
use super::work::Work;
use super::writer::{self, IngestTask, Writer};
use crate::store::{Store, StoreError};

/// Runs that may be inside [`Ingest::save`] at a time; the next is told to come again.
const RUNS_INSIDE_MAX: usize = 256;

/// Takes runs in. Cheap to clone.
#[derive(Clone)]
pub struct Ingest {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    store: Store,
    interner: Interner,
    writer: Writer,
    /// Bounds the runs that are inside.
    inside: Semaphore,
    /// Bounds the threads that build plans to the cores there are.
    building: Arc<Semaphore>,
}

/// What became of a run that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saved {
    /// It was new, and is durable now.
    Created,
    /// The same content was there already.
    Unchanged,
}

/// What became of a call about a run that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streamed {
    /// Whether it was new.
    pub saved: Saved,
    /// Batches kept so far.
    pub batches: u64,
}

/// How far a run comes without asking the database.
enum Step {
    Planned(Box<Plan>),
    MissesIds(Box<Prepared>),
}

impl Ingest {
    /// Starts the writer. [`IngestTask::finish`] ends it.
    pub fn start(store: Store) -> (Self, IngestTask) {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let (writer, task) = writer::start(store.clone());
        let inner = Inner {
            interner: Interner::new(store.clone()),
            store,
            writer,
            inside: Semaphore::new(RUNS_INSIDE_MAX),
            building: Arc::new(Semaphore::new(cores)),
        };
        let ingest = Self {
            inner: Arc::new(inner),
        };
        (ingest, task)
    }

    /// Keeps a run. When this answers `Ok`, the run is durable. `received_at` stands in for a
    /// missing timestamp.
    pub async fn save(
        &self,
        run: NewRun,
        received_at: DateTime<Utc>,
    ) -> Result<Saved, IngestError> {
        let _inside = self.enter()?;
        let plan = self.plan(run, received_at).await?;
        let streamed = self.write(Work::Save(plan)).await?;
        Ok(streamed.saved)
    }

    /// Takes one of the places for runs that are inside.
    pub(super) fn enter(&self) -> Result<SemaphorePermit<'_>, IngestError> {
        self.inner
            .inside
            .try_acquire()
            .map_err(|_| IngestError::Busy)
    }

    /// Everything that a run will write.
    pub(super) async fn plan(
        &self,
        run: NewRun,
        received_at: DateTime<Utc>,
    ) -> Result<Box<Plan>, IngestError> {
        let first = self
            .build(move |inner| inner.prepare(run, received_at))
            .await?;
        match first {
            Step::Planned(plan) => Ok(plan),
            Step::MissesIds(mut prepared) => {
                let interned = self.inner.interner.intern(&mut prepared).await;
                interned.inspect_err(|error| self.inner.store.writes().failed(error))?;
                self.build(move |inner| inner.plan(prepared)).await
            }
        }
    }

    /// Hands work to the writer and waits until it is durable.
    pub(super) async fn write(&self, work: Work) -> Result<Streamed, IngestError> {
        self.inner.writer.write(work).await
    }

    pub(super) fn store(&self) -> &Store {
        &self.inner.store
    }

    /// Runs work that keeps a core busy where it keeps nobody waiting.
    pub(super) async fn build<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, IngestError> + Send + 'static,
    ) -> Result<T, IngestError> {
        let core = Arc::clone(&self.inner.building)
            .acquire_owned()
            .await
            .map_err(|_| StoreError::Closed)?;
        let inner = Arc::clone(&self.inner);
        // The work goes on when nobody waits for it any more, and takes its core all the while.
        let work = move || {
            let _core = core;
            work(&inner)
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|panic| StoreError::damaged("plan", panic))?
    }
}

impl std::fmt::Debug for Ingest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ingest").finish_non_exhaustive()
    }
}

impl Inner {
    fn prepare(&self, run: NewRun, received_at: DateTime<Utc>) -> Result<Step, IngestError> {
        let mut prepared = prepare::prepare(run, received_at)?;
        if self.interner.fill(&mut prepared) {
            return Ok(Step::Planned(self.plan(Box::new(prepared))?));
        }
        // Before anything is written: a refused run leaves nothing behind.
        prepare::refuse_duplicates(&prepared)?;
        Ok(Step::MissesIds(Box::new(prepared)))
    }

    fn plan(&self, prepared: Box<Prepared>) -> Result<Box<Plan>, IngestError> {
        plan::build(*prepared, self.store.layouts()).map(Box::new)
    }
}
