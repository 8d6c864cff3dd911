//! What the plugin said, on disk before anything else depends on it.
//!
//! A run has a folder with one file of records ([`record`]); what it holds is enough to make the
//! very same run again ([`recover`]). The file is locked while its worker lives.

mod disk;
mod entries;
mod fate;
mod name;
mod open;
mod places;
mod read;
mod record;
mod recover;
mod shelf;
mod syncer;
#[cfg(test)]
mod tests;
mod writer;

pub use disk::{Disk, DiskFile, SystemDisk};
pub use entries::{Beginning, End, Head, Origin};
pub use fate::Fate;
pub use open::Journal;
pub use places::places;
pub use read::{Contents, Unreadable};
pub use recover::Recovered;
pub use shelf::{Claimed, Kept, NotClaimed};
pub use writer::size;
