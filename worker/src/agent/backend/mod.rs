//! Tasks of an existing task backend (`--backend-url`), carried out like jobs.
//!
//! The backend is asked for a task, the task is carried out by the same process as an attempt of a job,
//! and its result is kept on disk until the backend has it. No master is needed.

mod address;
mod client;
mod error;
mod expression;
mod logger;
mod options;
mod outbox;
mod polling;
mod session;
mod task_result;
mod task_work;

pub use options::BackendOptions;
pub use polling::poll;
