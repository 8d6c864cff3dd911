//! `account`: names with passwords, for people and for programs that log in.

use std::io::{BufRead, Write};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use shared::limits::PASSWORD_BYTES_MAX;

use super::database::{DatabaseOptions, who};
use super::granting::GrantOptions;
use super::table::Table;
use super::token::{scopes, shown};
use crate::access::{accounts, tokens};

#[derive(Debug, Subcommand)]
pub(super) enum AccountCommand {
    /// Make an account.
    Create(CreateOptions),
    /// List the accounts.
    List(ListOptions),
    /// Give an account another password. Its sessions end.
    Password(PasswordCommand),
    /// Remove an account. Its sessions end.
    Remove(RemoveOptions),
}

#[derive(Debug, Args)]
pub(super) struct CreateOptions {
    #[command(flatten)]
    grant: GrantOptions,

    #[command(flatten)]
    password: PasswordOptions,

    #[command(flatten)]
    database: DatabaseOptions,
}

#[derive(Debug, Args)]
pub(super) struct ListOptions {
    #[command(flatten)]
    database: DatabaseOptions,
}

#[derive(Debug, Args)]
pub(super) struct PasswordCommand {
    /// Name of the account.
    #[arg(value_name = "NAME")]
    name: String,

    #[command(flatten)]
    password: PasswordOptions,

    #[command(flatten)]
    database: DatabaseOptions,
}

#[derive(Debug, Args)]
pub(super) struct RemoveOptions {
    /// Name of the account.
    #[arg(value_name = "NAME")]
    name: String,

    #[command(flatten)]
    database: DatabaseOptions,
}

/// Where a password comes from. Never from the command line, which others can see.
#[derive(Debug, Args)]
struct PasswordOptions {
    /// Read the password from the first line of standard input instead of asking for it.
    #[arg(long)]
    password_stdin: bool,
}

/// Does one of the commands.
pub(super) fn run(command: AccountCommand) -> anyhow::Result<()> {
    match command {
        AccountCommand::Create(options) => create(&options),
        AccountCommand::List(options) => list(&options.database),
        AccountCommand::Password(options) => set_password(&options),
        AccountCommand::Remove(options) => remove(&options),
    }
}

fn create(options: &CreateOptions) -> anyhow::Result<()> {
    let granted = options.grant.granted();
    let password = options.password.read()?;
    options.database.with_store(async |store| {
        Ok(accounts::create(store, &granted, &password, &who()).await?)
    })?;
    say(&format!("there is an account `{}` now", granted.name));
    Ok(())
}

fn list(database: &DatabaseOptions) -> anyhow::Result<()> {
    let accounts = database.with_store(async |store| Ok(accounts::list(store).await?))?;
    let mut table = Table::new(["NAME", "SCOPES", "PROJECT", "CREATED"]);
    for account in accounts {
        let granted = account.granted;
        table.row([
            granted.name,
            scopes(&granted.scopes),
            granted.project.unwrap_or_else(|| "(all)".to_owned()),
            shown(account.created_at),
        ]);
    }
    table.print()
}

fn set_password(options: &PasswordCommand) -> anyhow::Result<()> {
    let password = options.password.read()?;
    options.database.with_store(async |store| {
        Ok(accounts::set_password(store, &options.name, &password, &who()).await?)
    })?;
    say(&format!(
        "the account `{}` has another password, and its sessions are over",
        options.name
    ));
    Ok(())
}

fn remove(options: &RemoveOptions) -> anyhow::Result<()> {
    let is_asked = options.database.with_store(async |store| {
        accounts::remove(store, &options.name, &who()).await?;
        Ok(tokens::any_or_account(store).await?)
    })?;
    say(&format!("the account `{}` is gone", options.name));
    if !is_asked {
        say(
            "warning: it was the last one and there is no token, so masters on loopback, and those with \
             --insecure-allow-anonymous, ask nobody who he is now",
        );
    }
    Ok(())
}

fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

impl PasswordOptions {
    /// Asks for the password twice without showing it, or reads one line.
    fn read(&self) -> anyhow::Result<String> {
        if self.password_stdin {
            return first_line(std::io::stdin().lock());
        }
        let ask = |prompt: &str| {
            rpassword::prompt_password(prompt)
                .context("there is no terminal to ask for the password; use --password-stdin")
        };
        let password = ask("password: ")?;
        if ask("once more: ")? != password {
            bail!("the two passwords are not the same; nothing was changed");
        }
        Ok(password)
    }
}

fn first_line(input: impl BufRead) -> anyhow::Result<String> {
    let mut line = String::new();
    // Room for the end of the line, and for one byte too many, which is refused later.
    let most = PASSWORD_BYTES_MAX as u64 + 3;
    input
        .take(most)
        .read_line(&mut line)
        .context("standard input has no password")?;
    let line = line.strip_suffix('\n').unwrap_or(&line);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

#[cfg(test)]
mod tests {
    use super::first_line;

    #[test]
    fn a_password_is_the_first_line_without_its_end() {
        for input in ["pass word", "pass word\n", "pass word\r\nmore"] {
            assert_eq!(first_line(input.as_bytes()).unwrap(), "pass word");
        }
        assert_eq!(first_line(&b""[..]).unwrap(), "");
        assert!(first_line(&b"\xff\n"[..]).is_err());
    }
}
