//! The door of the store: one call per run, durable when it answers.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use shared::run::NewRun;
use tokio::sync::Semaphore;

use super::error::IngestError;
use super::intern::Interner;
use super::plan::{self, Plan};
use super::prepare::{self, Prepared};
use super::writer::{self, IngestTask, Writer};
use crate::store::{Store, StoreError};

/// Runs that may be inside [`Ingest::save`] at a time; the next is told to come again.
const RUNS_INSIDE_MAX: usize = 256;

/// Takes runs in. Cheap to clone.
#[derive(Clone)]
pub struct Ingest {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    interner: Interner,
    writer: Writer,
    /// Bounds the runs that are inside.
    inside: Semaphore,
    /// Bounds the threads that build plans to the cores there are.
    building: Semaphore,
}

/// What became of a run that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saved {
    /// It was new, and is durable now.
    Created,
    /// The same content was there already.
    Unchanged,
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
            building: Semaphore::new(cores),
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
        let inner = &self.inner;
        let _inside = inner.inside.try_acquire().map_err(|_| IngestError::Busy)?;
        let first = self
            .build(move |inner| inner.prepare(run, received_at))
            .await?;
        let plan = match first {
            Step::Planned(plan) => plan,
            Step::MissesIds(mut prepared) => {
                inner.interner.intern(&mut prepared).await?;
                self.build(move |inner| inner.plan(prepared)).await?
            }
        };
        inner.writer.write(plan).await
    }

    /// Runs work that keeps a core busy where it keeps nobody waiting.
    async fn build<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, IngestError> + Send + 'static,
    ) -> Result<T, IngestError> {
        let _core = self
            .inner
            .building
            .acquire()
            .await
            .map_err(|_| StoreError::Closed)?;
        let inner = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || work(&inner))
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
