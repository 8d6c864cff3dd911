//! Which commands there are.

use clap::{Parser, Subcommand};

use super::account::AccountCommand;
use super::serve::ServeOptions;
use super::token::TokenCommand;

/// Keeps the results of pytest runs and answers questions about them in JSON.
#[derive(Debug, Parser)]
#[command(
    name = "pytest-platform-master",
    version,
    args_conflicts_with_subcommands = true
)]
pub struct Cli {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) serve: ServeOptions,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the master until SIGINT or SIGTERM (the default command).
    Serve(ServeOptions),
    /// Make, list and revoke tokens, for programs. As soon as there is one, or an account, every
    /// request needs one.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Make, list, change and remove accounts, for people and for programs that log in.
    #[command(subcommand)]
    Account(AccountCommand),
}
