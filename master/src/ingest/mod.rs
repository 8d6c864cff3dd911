//! Taking runs in. The way of a run: [`save`] checks it, [`normalise`] makes it whole, [`intern`]
//! gives its tests their ids, [`plan`] builds the rows, [`writer`] commits many plans at once.

mod cases;
mod content_hash;
mod counts;
mod error;
mod intern;
mod normalise;
mod plan;
mod prepare;
mod save;
mod verdict;
mod write;
mod writer;

pub use error::IngestError;
pub use save::{Ingest, Saved};
pub use writer::IngestTask;
