//! What every handler shares.

use std::sync::Arc;

use super::intake::Budget;
use crate::config::Timeouts;
use crate::ingest::Ingest;
use crate::live::Feed;
use crate::store::Store;

/// State of the router. Cheap to clone.
#[derive(Debug, Clone)]
pub struct App {
    /// Answers questions.
    pub(super) store: Store,
    /// Keeps runs.
    pub(super) ingest: Ingest,
    /// Tells what happens.
    pub(super) feed: Feed,
    /// Bounds the memory of bodies in flight.
    pub(super) budget: Arc<Budget>,
    /// How long bodies may take.
    pub(super) timeouts: Timeouts,
}

impl App {
    /// Shares a store and its writer with the handlers.
    pub fn new(store: Store, ingest: Ingest, feed: Feed, timeouts: Timeouts) -> Self {
        Self {
            store,
            ingest,
            feed,
            budget: Arc::new(Budget::default()),
            timeouts,
        }
    }
}
