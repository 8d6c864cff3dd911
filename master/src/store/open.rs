//! Opening a store.

use super::StoreError;

/// The database, ready to be used. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store;

impl Store {
    /// Opens `sqlite://path` (the file and its folders are made when missing) or `postgres://...`
    /// and runs the migrations.
    #[expect(clippy::unused_async, reason = "filled in next")]
    pub async fn open(_url: &str) -> Result<Self, StoreError> {
        unimplemented!()
    }

    /// Closes every connection.
    #[expect(clippy::unused_async, reason = "filled in next")]
    pub async fn close(&self) {
        unimplemented!()
    }

    /// Asks the database for a sign of life.
    #[expect(clippy::unused_async, reason = "filled in next")]
    pub async fn ping(&self) -> Result<(), StoreError> {
        unimplemented!()
    }
}
