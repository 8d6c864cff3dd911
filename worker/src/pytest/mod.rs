//! pytest's process: which Python, with what environment, and its three streams.

mod interpreter;
mod plugin_folder;
mod process;
mod pump;
mod relay;
mod signals;
mod streams;
mod tail;

pub use interpreter::Interpreter;
pub use process::{EventPipe, Finished, Pytest};
pub use pump::{Flow, pump};
pub use signals::TERMINATION_GRACE;
