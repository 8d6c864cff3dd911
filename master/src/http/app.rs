//! What every handler shares.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::intake::Budget;
use crate::access::Access;
use crate::config::Timeouts;
use crate::ingest::Ingest;
use crate::jobs::Jobs;
use crate::library::Library;
use crate::live::Feed;
use crate::store::Store;

/// What the master consists of.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the fields of `App` say it")]
pub struct Parts {
    pub store: Store,
    pub ingest: Ingest,
    pub feed: Feed,
    pub jobs: Jobs,
    pub library: Library,
    pub access: Access,
}

/// State of the router. Cheap to clone.
#[derive(Debug, Clone)]
pub struct App {
    /// Answers questions.
    pub(super) store: Store,
    /// Keeps runs.
    pub(super) ingest: Ingest,
    /// Tells what happens.
    pub(super) feed: Feed,
    /// Queues jobs.
    pub(super) jobs: Jobs,
    /// What jobs can be made of.
    pub(super) library: Library,
    /// Knows who may do what.
    pub(super) access: Access,
    /// Bounds the memory of bodies in flight.
    pub(super) budget: Arc<Budget>,
    /// Bounds the readers of logs that grow.
    pub(super) log_readers: Arc<Semaphore>,
    /// How long bodies may take.
    pub(super) timeouts: Timeouts,
}

/// Readers of logs that grow, at a time.
const LOG_READERS_MAX: usize = 200;

impl App {
    /// Shares what the master consists of with the handlers.
    pub fn new(parts: Parts, timeouts: Timeouts) -> Self {
        Self {
            store: parts.store,
            ingest: parts.ingest,
            feed: parts.feed,
            jobs: parts.jobs,
            library: parts.library,
            access: parts.access,
            budget: Arc::new(Budget::default()),
            log_readers: Arc::new(Semaphore::new(LOG_READERS_MAX)),
            timeouts,
        }
    }
}
