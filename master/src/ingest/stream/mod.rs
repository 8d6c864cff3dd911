//! Runs that are reported while they go on: opened, fed with batches, finished, or lost.

mod append;
mod close;
mod finish;
mod marks;
mod merge;
mod open;
mod tally;

use crate::store::packed;
pub(super) use append::{Appending, PackedBatch};
pub use close::LiveRun;
pub(super) use close::{Closing, elapsed_s};
pub(super) use finish::Finishing;
pub(super) use open::{Opened, Opening, opened};
pub(super) use packed::unpack_opening;
pub(super) use tally::{Tallies, Tally};
