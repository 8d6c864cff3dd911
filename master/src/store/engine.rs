//! The two engines behind one set of statements.

use sqlx::{PgPool, Postgres, Sqlite, SqlitePool, Transaction};

use super::StoreError;
use super::dialect;
use super::many::Placeholders;

/// Connections for writing and connections for reading.
#[derive(Debug, Clone)]
pub(crate) enum Pools {
    /// The embedded default.
    Sqlite {
        /// One connection: SQLite has one writer at a time.
        write: SqlitePool,
        /// Readers, which see the last commit and never wait for the writer.
        read: SqlitePool,
    },
    /// The way past one machine.
    Postgres {
        /// Connections of the writer and the dictionary.
        write: PgPool,
        /// Readers.
        read: PgPool,
        /// The one connection that hears what any master committed. Connects when first used.
        listen: PgPool,
    },
}

/// A transaction that writes.
pub(crate) enum Transacting {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Pools {
    /// Begins a transaction that writes.
    pub(crate) async fn begin(&self) -> Result<Transacting, StoreError> {
        Ok(match self {
            Self::Sqlite { write, .. } => {
                Transacting::Sqlite(write.begin_with(dialect::SQLITE_BEGIN).await?)
            }
            Self::Postgres { write, .. } => Transacting::Postgres(write.begin().await?),
        })
    }
}

impl Pools {
    /// How statements about many values name them.
    pub(crate) const fn placeholders(&self) -> Placeholders {
        match self {
            Self::Sqlite { .. } => dialect::SQLITE_PLACEHOLDERS,
            Self::Postgres { .. } => dialect::POSTGRES_PLACEHOLDERS,
        }
    }
}

impl Transacting {
    /// How statements about many values name them.
    pub(crate) const fn placeholders(&self) -> Placeholders {
        match self {
            Self::Sqlite(_) => dialect::SQLITE_PLACEHOLDERS,
            Self::Postgres(_) => dialect::POSTGRES_PLACEHOLDERS,
        }
    }

    /// Makes everything durable.
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(transaction) => transaction.commit().await?,
            Self::Postgres(transaction) => transaction.commit().await?,
        }
        Ok(())
    }
}

/// Expands one body for the read pool of either engine.
macro_rules! on_read {
    ($store:expr, $pool:ident => $body:expr) => {
        match $store.pools() {
            $crate::store::engine::Pools::Sqlite { read: $pool, .. } => $body,
            $crate::store::engine::Pools::Postgres { read: $pool, .. } => $body,
        }
    };
}

/// Expands one body for the connection of a transaction of either engine.
macro_rules! on_connection {
    ($transaction:expr, $connection:ident => $body:expr) => {
        match $transaction {
            $crate::store::engine::Transacting::Sqlite(transaction) => {
                let $connection = &mut **transaction;
                $body
            }
            $crate::store::engine::Transacting::Postgres(transaction) => {
                let $connection = &mut **transaction;
                $body
            }
        }
    };
}

/// Writes many rows with few statements: `insert_rows!(transaction, rows, "insert into t (a, b)
/// values", 2, "on conflict do nothing", |query, row| query.bind(row.a).bind(row.b))`.
macro_rules! insert_rows {
    ($transaction:expr, $rows:expr, $head:expr, $width:expr, $tail:expr,
     |$query:ident, $row:ident| $bind:expr) => {{
        for chunk in $crate::store::many::chunks($rows, $width) {
            let style = $transaction.placeholders();
            let text = $crate::store::many::values($head, chunk.len(), $width, $tail, style);
            on_connection!($transaction, connection => {
                let mut $query = sqlx::query(sqlx::AssertSqlSafe(text));
                for $row in chunk {
                    $query = $bind;
                }
                $query.execute(connection).await?;
            });
        }
    }};
}

/// Reads the rows of many keys with few statements: `read_by_keys!(store, Row, "select a from t where
/// b = $1 and c in", [b], keys, |key| key.as_slice())`.
macro_rules! read_by_keys {
    ($store:expr, $row:ty, $head:expr, [$($fixed:expr),*], $keys:expr, |$key:ident| $bind:expr) => {{
        let mut rows: Vec<$row> = Vec::new();
        let fixed: &[&str] = &[$(stringify!($fixed)),*];
        for chunk in $crate::store::many::chunks($keys, 1) {
            let style = $store.pools().placeholders();
            let text = $crate::store::many::list($head, fixed.len() + 1, chunk.len(), style);
            rows.extend(on_read!($store, pool => {
                let mut query = sqlx::query_as::<_, $row>(sqlx::AssertSqlSafe(text));
                $(query = query.bind($fixed);)*
                for $key in chunk {
                    query = query.bind($bind);
                }
                query.fetch_all(pool).await
            })?);
        }
        rows
    }};
}

pub(crate) use {insert_rows, on_connection, on_read, read_by_keys};
