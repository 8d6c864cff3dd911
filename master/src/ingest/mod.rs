//! Taking runs in: validate, normalise, intern, build columns, commit in groups.

mod save;

pub use save::{Ingest, IngestError, IngestTask, Saved};
