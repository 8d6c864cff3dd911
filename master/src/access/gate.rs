//! The gate: asks who comes.

use crate::store::Store;

/// Knows tokens and accounts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Access {
    #[expect(dead_code, reason = "the first use comes with the next change")]
    store: Store,
}

impl Access {
    /// Those of a store.
    pub const fn new(store: Store) -> Self {
        Self { store }
    }
}
