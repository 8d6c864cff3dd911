//! What can go wrong in the store. Whether it may go better later is data, not a guess from text.

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database URL cannot be used.
    #[error("database URL `{url}`: {reason}")]
    Url {
        /// The URL without its password.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something that was stored cannot be read back.
    #[error("stored {what} cannot be read: {reason}")]
    Damaged {
        /// Which value, such as `columns of run 7`.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The database refused or could not be reached.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("migrations: {0}")]
    Migrations(#[from] sqlx::migrate::MigrateError),
    /// The store is closing.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Whether the same call may succeed later: the disk is full, the database is locked, read-only
    /// or gone.
    pub fn is_transient(&self) -> bool {
        false
    }
}
