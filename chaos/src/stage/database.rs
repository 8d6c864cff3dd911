//! A database of our own, and what it says about its own health.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::ValueEnum;
use rusqlite::Connection;
use xtask::postgres::{self, Postgres};
use xtask::process;

/// The kinds of databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    /// One file.
    Sqlite,
    /// A server.
    Postgres,
}

impl Engine {
    /// As on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One database.
#[derive(Debug)]
pub(crate) enum Database {
    /// The path of the file.
    Sqlite(PathBuf),
    /// A server that keeps what it commits.
    Postgres(Box<Postgres>),
}

impl Database {
    /// An empty database.
    pub(crate) fn make(engine: Engine, folder: &Path) -> Result<Self> {
        Ok(match engine {
            Engine::Sqlite => Self::Sqlite(folder.join("results.db")),
            Engine::Postgres => Self::Postgres(Box::new(Postgres::start_durable()?)),
        })
    }

    /// For `--database-url`.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite://{}", path.display()),
            Self::Postgres(server) => server.url.clone(),
        }
    }

    /// What the database's own check finds wrong, empty when nothing. No master may run.
    pub(crate) fn check(&self) -> Result<Vec<String>> {
        match self {
            Self::Sqlite(path) => check_sqlite(path),
            Self::Postgres(server) => check_postgres(server),
        }
    }
}

/// `PRAGMA integrity_check` and `PRAGMA foreign_key_check`.
pub(crate) fn check_sqlite(path: &Path) -> Result<Vec<String>> {
    let database =
        Connection::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut said = Vec::new();
    let mut check = database.prepare("PRAGMA integrity_check")?;
    let mut rows = check.query([])?;
    while let Some(row) = rows.next()? {
        let line: String = row.get(0)?;
        if line != "ok" {
            said.push(format!("integrity_check: {line}"));
        }
    }
    let mut check = database.prepare("PRAGMA foreign_key_check")?;
    let mut rows = check.query([])?;
    while let Some(row) = rows.next()? {
        let table: String = row.get(0)?;
        said.push(format!("foreign_key_check: {table}"));
    }
    Ok(said)
}

/// `pg_amcheck` reads every table and every index and compares them.
fn check_postgres(server: &Postgres) -> Result<Vec<String>> {
    let (_, programs) = postgres::programs().context("no PostgreSQL programs")?;
    let mut check = Command::new(programs.join("pg_amcheck"));
    check
        .args(["--install-missing", "--heapallindexed", "--no-password"])
        .args(["--host", "127.0.0.1", "--username", "postgres"])
        .args(["--port", &server.port.to_string()])
        .args(["--database", "postgres"]);
    Ok(match process::output(&mut check) {
        Ok(_) => Vec::new(),
        Err(error) => vec![format!("pg_amcheck: {error:#}")],
    })
}
