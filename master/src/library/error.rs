//! Why something could not be done to the library.

use shared::validate::Invalid;

use crate::store::StoreError;

/// Why something could not be done to the library, to an archive or to a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// A field breaks a rule.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// There is no such file, or no such content of it.
    #[error("{0}")]
    NotFound(String),
    /// The master was started without a library.
    #[error("this master has no test library: start it with --tests-dir FOLDER")]
    NoLibrary,
    /// The library would have too many files, or take too much room.
    #[error("{0}")]
    Full(String),
    /// Others use or change the library at this moment.
    #[error("{0}")]
    Busy(String),
    /// The file system refused. The text names no folder of the machine.
    #[error("{0}")]
    FileSystem(String, #[source] std::io::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
