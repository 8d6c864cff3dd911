//! The database, for commands that work on it themselves, also while a master runs.

use std::future::Future;

use anyhow::Context;
use clap::Args;

use crate::config::{database_shown, database_url};
use crate::store::Store;

/// Which database.
#[derive(Debug, Clone, Args)]
pub(super) struct DatabaseOptions {
    /// The database of the master: `sqlite://PATH` or `postgres://USER:PASSWORD@HOST/DATABASE`.
    /// Without it, the SQLite file in your data folder, as for the master itself.
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,
}

impl DatabaseOptions {
    /// Opens the database, does the work, and closes it.
    pub(super) fn with_store<T>(
        &self,
        work: impl AsyncFnOnce(&Store) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let url = database_url(self.database_url.as_deref())?;
        block_on(async {
            let store = Store::open(&url)
                .await
                .with_context(|| format!("cannot open {}", database_shown(&url)))?;
            let done = work(&store).await;
            store.close().await;
            done
        })
    }
}

fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime does not start")?
        .block_on(work)
}

/// Who gives the command, as far as the system says: for the audit log. No account can be called so.
pub(super) fn who() -> String {
    let names = ["SUDO_USER", "USER", "LOGNAME"];
    let name = names.into_iter().find_map(|name| std::env::var(name).ok());
    let name = name.unwrap_or_else(|| format!("uid-{}", rustix::process::getuid().as_raw()));
    format!("local:{name}")
}
