//! Opening a store, and what all calls share.

use std::sync::Arc;

use super::StoreError;
use super::changes::Changes;
use super::dialect;
use super::engine::{Pools, on_read};
use super::layouts::LayoutCache;
use super::writes::Writes;

/// The database, ready to be used. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pools: Pools,
    layouts: Arc<LayoutCache>,
    changes: Arc<Changes>,
    writes: Arc<Writes>,
}

impl Store {
    /// Opens `sqlite://path` (the file and its folders are made when missing) or
    /// `postgres://user:password@host/database`, and brings its schema up to date.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let pools = match url.split_once(':') {
            Some(("sqlite", _)) => dialect::open_sqlite(url).await?,
            Some(("postgres" | "postgresql", _)) => dialect::open_postgres(url).await?,
            _ => {
                let reason = "must begin with sqlite:// or postgres://";
                return Err(StoreError::Url(reason.to_owned()));
            }
        };
        Ok(Self {
            pools,
            layouts: Arc::default(),
            changes: Arc::default(),
            writes: Arc::default(),
        })
    }

    /// Closes every connection; waits for those in use.
    pub async fn close(&self) {
        match &self.pools {
            Pools::Sqlite { write, read } => {
                read.close().await;
                write.close().await;
            }
            Pools::Postgres {
                write,
                read,
                listen,
            } => {
                listen.close().await;
                read.close().await;
                write.close().await;
            }
        }
    }

    /// Asks the database for a sign of life.
    pub async fn ping(&self) -> Result<(), StoreError> {
        on_read!(self, pool => sqlx::query("select 1").execute(pool).await.map(drop))?;
        Ok(())
    }

    pub(crate) const fn pools(&self) -> &Pools {
        &self.pools
    }

    pub(crate) fn changes(&self) -> &Changes {
        &self.changes
    }

    pub(crate) fn writes(&self) -> &Writes {
        &self.writes
    }

    pub(crate) fn layouts(&self) -> &LayoutCache {
        &self.layouts
    }
}
