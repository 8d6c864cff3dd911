//! The queue, as handlers use it.

use std::time::Duration;

use crate::store::Store;

/// All jobs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Jobs {
    #[expect(dead_code, reason = "the first use comes with the next change")]
    store: Store,
    #[expect(dead_code, reason = "the first use comes with the next change")]
    lease: Duration,
}

impl Jobs {
    /// Jobs in a store; an agent that is silent for the time of a lease loses its job.
    pub const fn new(store: Store, lease: Duration) -> Self {
        Self { store, lease }
    }
}
