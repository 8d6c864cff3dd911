//! The test library and uploaded archives: what jobs can be made of. Knows no HTTP.

mod error;
mod folder;

pub use error::LibraryError;
pub use folder::Library;
