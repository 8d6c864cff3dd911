//! The state machine from the plugin's events to a run: pure, no clock and no disk.
//!
//! [`Run`] takes events in any order, repeated or cut, and never panics; [`Run::finish`] joins what
//! they told with how the process ended and gives the verdict.

mod case;
mod contradiction;
mod ending;
mod finish;
mod live;
mod problems;
mod run;
mod summary;
#[cfg(test)]
mod tests;
mod text;
mod times;
mod verdict;

pub use ending::Ending;
pub use run::Run;
pub use summary::Summary;
