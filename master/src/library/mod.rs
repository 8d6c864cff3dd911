//! The test library and uploaded archives: what jobs can be made of. Knows no HTTP.

mod archive;
mod content;
mod error;
mod folder;
mod pack;
mod place;
mod rule;
mod snapshot;
mod sweep;
mod tree;
mod walk;

pub use content::Content;
pub use error::LibraryError;
pub use folder::Library;
pub use place::NewFile;
pub use rule::{EXTENSIONS, LibraryPath};

/// The names of the kinds of archives, on the wire and in the database.
const FORMAT_ZIP: &str = "zip";
const FORMAT_TAR_GZ: &str = "tar.gz";
const FORMAT_TAR_ZST: &str = "tar.zst";
