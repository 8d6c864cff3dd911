//! A run on its way to the master while its tests go on.
//!
//! The uploader's thread pulls: every second it asks [`Source`] which tests ended, makes a
//! [`batch::Batch`] of them and sends it ([`Stream`]). What is not sent stays where it is, so the
//! tests never wait and no queue can overflow. At the end [`Stream::finish`] sends what differs
//! from what the master has; whatever goes wrong there, the run is sent whole instead.

mod batch;
mod calls;
mod finish;
mod hurry;
mod live;
mod sent;
mod source;
#[cfg(test)]
mod tests;

pub use calls::{Calls, MasterCalls};
pub use hurry::{Hurry, HurrySender, hurry};
pub use live::Stream;
pub use source::{Labels, Source};
