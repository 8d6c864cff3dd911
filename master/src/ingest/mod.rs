//! Taking runs in. The way of a run: [`save`] checks it, [`normalise`] makes it whole, [`intern`]
//! gives its tests their ids, [`plan`] builds the rows, [`writer`] commits many plans at once. A run that
//! is reported while it goes on ([`stream`]) goes the same way when it ends.

mod cases;
mod content_hash;
mod counts;
mod error;
mod intern;
mod normalise;
mod plan;
mod prepare;
mod save;
mod stream;
mod verdict;
mod work;
mod write;
mod writer;

pub use error::{IngestError, StreamError};
pub use save::{Ingest, Saved, Streamed};
pub use stream::LiveRun;
pub use writer::IngestTask;
