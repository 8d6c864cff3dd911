//! The worker of pytest-platform: runs pytest, hears from the plugin inside it what every test
//! did, and reports the run to the master.

pub mod agent;
pub mod aggregate;
pub mod backoff;
pub mod cli;
pub mod client;
pub mod config;
pub mod deliver;
pub mod events;
pub mod exit;
pub mod flush_command;
pub mod impatience;
pub mod journal;
pub mod journal_command;
pub mod late;
pub mod leftovers;
mod main_command;
pub mod pytest;
pub mod report;
pub mod run_command;
pub mod saved;
pub mod send_command;
pub mod shed;
pub mod sidecar_command;
pub mod stream;
pub mod uploader;

pub use main_command::main;
