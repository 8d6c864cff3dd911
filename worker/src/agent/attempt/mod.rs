//! One attempt: fetch, prepare, run, report, clean, in a process of its own.

mod carry_out;
mod child;
mod folder;
mod orders;
mod reports;
mod running;
mod source;
mod stage;
mod steps;
mod supervision;
mod variables;
mod verdict;
mod work;

pub(crate) use folder::remove_left_behind;

pub use carry_out::{NotStarted, carry_out};
pub use child::attempt;
pub use orders::{Leased, Orders, Report};
pub use running::Running;
pub use supervision::Supervision;
pub use work::{Outcome, Reporting, Work, Workshop};
