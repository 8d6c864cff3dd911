//! `token`: secrets for programs.

use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Args, Subcommand};

use super::database::{DatabaseOptions, who};
use super::granting::{GrantOptions, life};
use super::table::Table;
use crate::access::Granted;
use crate::access::tokens::{self, Token};

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token and print it, once: it is not kept anywhere. The token alone goes to standard output.
    Create(CreateOptions),
    /// List the tokens, without their secrets.
    List(ListOptions),
    /// Take a token out of use. Masters know it within a second.
    Revoke(RevokeOptions),
}

#[derive(Debug, Args)]
pub(super) struct CreateOptions {
    #[command(flatten)]
    grant: GrantOptions,

    /// How long it lives, such as `90d` or `12h`. Without it, until it is revoked.
    #[arg(long, value_name = "DURATION", value_parser = life)]
    expires: Option<Duration>,

    #[command(flatten)]
    database: DatabaseOptions,
}

#[derive(Debug, Args)]
pub(super) struct ListOptions {
    #[command(flatten)]
    database: DatabaseOptions,
}

#[derive(Debug, Args)]
pub(super) struct RevokeOptions {
    /// Name of the token.
    #[arg(value_name = "NAME")]
    name: String,

    #[command(flatten)]
    database: DatabaseOptions,
}

/// Does one of the commands.
pub(super) fn run(command: TokenCommand) -> anyhow::Result<()> {
    match command {
        TokenCommand::Create(options) => create(&options),
        TokenCommand::List(options) => list(&options.database),
        TokenCommand::Revoke(options) => revoke(&options),
    }
}

fn create(options: &CreateOptions) -> anyhow::Result<()> {
    let granted = options.grant.granted();
    let expires_at = options.expires.map(|life| Utc::now() + life);
    let token = options
        .database
        .with_store(async |store| Ok(tokens::create(store, &granted, expires_at, &who()).await?))?;
    let _ = writeln!(
        std::io::stderr(),
        "{}. It is shown this once; give it to programs as MASTER_TOKEN:",
        described(&granted, expires_at)
    );
    writeln!(std::io::stdout(), "{token}")
        .context("the token cannot be printed; revoke it and make another one")
}

fn described(granted: &Granted, expires_at: Option<DateTime<Utc>>) -> String {
    let scopes: Vec<&str> = granted.scopes.iter().map(|scope| scope.as_str()).collect();
    let project = granted.project.as_ref();
    let project = project.map_or_else(String::new, |project| {
        format!(" in the project `{project}`")
    });
    let until = expires_at.map_or_else(String::new, |moment| format!(", until {}", shown(moment)));
    format!(
        "the token `{}` may {}{project}{until}",
        granted.name,
        scopes.join(", ")
    )
}

fn list(database: &DatabaseOptions) -> anyhow::Result<()> {
    let tokens = database.with_store(async |store| Ok(tokens::list(store).await?))?;
    let mut table = Table::new([
        "NAME",
        "SCOPES",
        "PROJECT",
        "STATE",
        "CREATED",
        "EXPIRES",
        "LAST USED",
    ]);
    let now = Utc::now();
    for token in tokens {
        let state = state(&token, now);
        let Token {
            granted,
            created_at,
            expires_at,
            used_at,
            ..
        } = token;
        table.row([
            granted.name,
            scopes(&granted.scopes),
            granted.project.unwrap_or_else(|| "(all)".to_owned()),
            state.to_owned(),
            shown(created_at),
            expires_at.map_or_else(|| "never".to_owned(), shown),
            used_at.map_or_else(|| "never".to_owned(), shown),
        ]);
    }
    table.print()
}

fn state(token: &Token, now: DateTime<Utc>) -> &'static str {
    if token.revoked_at.is_some() {
        return "revoked";
    }
    match token.expires_at {
        Some(expires_at) if expires_at <= now => "expired",
        _ => "good",
    }
}

fn revoke(options: &RevokeOptions) -> anyhow::Result<()> {
    let is_asked = options.database.with_store(async |store| {
        tokens::revoke(store, &options.name, &who()).await?;
        Ok(tokens::any_or_account(store).await?)
    })?;
    let mut errors = std::io::stderr();
    let _ = writeln!(errors, "the token `{}` is of no use any more", options.name);
    if !is_asked {
        let _ = writeln!(
            errors,
            "warning: it was the last one and there is no account, so masters on loopback, and those with \
             --insecure-allow-anonymous, ask nobody who he is now"
        );
    }
    Ok(())
}

/// Scopes in words.
pub(super) fn scopes(scopes: &std::collections::BTreeSet<shared::access::Scope>) -> String {
    let words: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
    words.join(",")
}

/// A moment, to the second.
pub(super) fn shown(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Secs, true)
}
