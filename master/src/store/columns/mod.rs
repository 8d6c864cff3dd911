//! How many small values become few bytes: a run's cases and its layout, as columns.
//!
//! Pure code: no database, no clock. Reading never panics, whatever the bytes are.
//!
//! A blob is one version byte, the number of items, and sections. A section is one column: a tag,
//! its length, its packed length and its bytes, packed by zstd on its own (each column has its own
//! statistics, and a reader skips what it does not know how to use) or as they are when that is
//! not longer. A column in which nothing differs from the usual is left out.

mod cases;
mod duration;
mod error;
mod layout;
mod sections;
mod sparse;
mod started;
mod varint;

pub use cases::{CaseColumns, CaseValues, encode_cases, usual_outcomes};
pub use duration::DurationCode;
pub use error::ColumnsError;
pub use layout::{Layout, LayoutItem, encode_layout};
pub use sections::Sections;
