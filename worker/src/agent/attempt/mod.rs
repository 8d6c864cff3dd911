//! One attempt: fetch, prepare, run, report, clean, in a process of its own.

mod carry_out;
mod work;

pub use carry_out::{NotStarted, carry_out};
pub use work::{Ask, Outcome, Reporting, Work, Workshop};
