//! The command line of the master.

mod account;
mod command_line;
mod database;
mod granting;
mod run;
mod serve;
mod table;
mod token;

pub use command_line::Cli;
pub use run::run;
pub use serve::ServeOptions;
