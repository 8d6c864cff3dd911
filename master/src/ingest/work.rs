//! What the writer is given, and what it tells of it.

use super::error::{IngestError, StreamError};
use super::plan::Plan;
use super::save::{Saved, Streamed};
use super::stream::{Appending, Closing, Finishing, Opening};

/// One thing to write.
#[derive(Debug)]
pub(super) enum Work {
    /// A whole run.
    Save(Box<Plan>),
    /// A run that begins to be reported.
    Open(Box<Opening>),
    /// A batch of it, or a sign of life.
    Append(Box<Appending>),
    /// Its end.
    Finish(Box<Finishing>),
    /// Its end without a word.
    Close(Box<Closing>),
}

impl Work {
    /// Roughly how much this will write, in bytes.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Save(plan) => plan.bytes(),
            Self::Open(opening) => opening.packed.len() + opening.opened.details.len(),
            Self::Append(appending) => {
                let cases = appending.cases.as_ref();
                let packed = cases.map_or(0, |batch| batch.cases.len() + batch.marks.len());
                packed + appending.progress.len()
            }
            Self::Finish(finishing) => finishing.plan.bytes(),
            Self::Close(closing) => closing.plan.bytes(),
        }
    }

    /// The run that it is about.
    pub(super) fn run_id(&self) -> &str {
        match self {
            Self::Save(plan) => &plan.row.run_id,
            Self::Open(opening) => &opening.opened.row.run_id,
            Self::Append(appending) => &appending.run_id,
            Self::Finish(finishing) => &finishing.plan.row.run_id,
            Self::Close(closing) => &closing.plan.row.run_id,
        }
    }
}

/// What became of one thing in a transaction that was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Written {
    /// It is stored now.
    Created { batches: u64 },
    /// It was there already.
    Unchanged { batches: u64 },
    /// The run id belongs to another run.
    Conflict,
    /// The run does not take it.
    Refused(StreamError),
}

impl Written {
    /// The answer to whoever asked for it.
    pub(super) fn answer(self) -> Result<Streamed, IngestError> {
        let (saved, batches) = match self {
            Self::Created { batches } => (Saved::Created, batches),
            Self::Unchanged { batches } => (Saved::Unchanged, batches),
            Self::Conflict => return Err(IngestError::Conflict),
            Self::Refused(refusal) => return Err(refusal.into()),
        };
        Ok(Streamed { saved, batches })
    }
}
