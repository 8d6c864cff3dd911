//! The test library and uploaded archives: what jobs can be made of. Knows no HTTP.

mod folder;

pub use folder::Library;
