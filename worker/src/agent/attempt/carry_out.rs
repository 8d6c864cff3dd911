//! An attempt from its beginning to its end, for whoever holds no lease of a master.

use std::io;

use crossbeam_channel::Receiver;

use super::work::{Ask, Outcome, Reporting, Work, Workshop};

/// The process of an attempt could not be started.
#[derive(Debug, thiserror::Error)]
pub enum NotStarted {
    /// A folder, a pipe or a process could not be had.
    #[error("cannot start an attempt: {0}")]
    System(#[source] io::Error),
}

/// Carries out `work` in a process of its own and waits for its end. `hear` gets its log as it comes.
/// Without `reporting` the run goes nowhere but into the answer.
pub fn carry_out(
    _workshop: &Workshop,
    _work: &Work,
    _reporting: Option<&Reporting>,
    _asked: &Receiver<Ask>,
    _hear: &mut dyn FnMut(&[u8]),
) -> Result<Outcome, NotStarted> {
    Err(NotStarted::System(io::Error::other("not yet")))
}
