//! The library, as handlers use it.

use std::path::PathBuf;

use shared::job::Source;

use super::LibraryError;
use crate::store::Store;

/// Files that jobs can be made of. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Library {
    #[expect(dead_code, reason = "the first use comes with the next change")]
    store: Store,
    #[expect(dead_code, reason = "the first use comes with the next change")]
    folder: Option<PathBuf>,
}

impl Library {
    /// A library in a folder; without one, it is empty and nothing can be uploaded into it.
    pub const fn new(store: Store, folder: Option<PathBuf>) -> Self {
        Self { store, folder }
    }

    /// Makes a source what it will be for as long as its job is remembered: of the library a snapshot is
    /// taken, an archive must be there. Whatever the client said about a snapshot is replaced.
    pub async fn pin(&self, source: &mut Source) -> Result<(), LibraryError> {
        match source {
            Source::Git(_) => Ok(()),
            Source::Library(_) | Source::Archive(_) => Err(LibraryError::NoLibrary),
        }
    }
}
