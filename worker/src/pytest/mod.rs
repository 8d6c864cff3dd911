//! pytest's process: which Python, with what environment, its three streams, its limits and its end.

mod activity;
mod event_pipe;
mod guard;
mod guarded;
mod interpreter;
mod launch;
mod limits;
mod living;
mod plugin_folder;
mod process;
mod pump;
mod relay;
mod signals;
mod streams;
pub(crate) mod sweep;
mod tail;
mod tree;

pub use activity::Activity;
pub use event_pipe::EventPipe;
pub use guard::guard;
pub use guarded::Guarded;
pub use interpreter::Interpreter;
pub use launch::Launch;
pub use limits::Limits;
pub use process::{Finished, Pytest};
pub(crate) use pump::is_ready;
pub use signals::STOP_GRACE;
