//! Everything in which the two engines differ, each with its reason.

use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, PgConnection};

use super::StoreError;
use super::engine::Pools;
use super::many::Placeholders;

/// Differs because a SQLite transaction that reads before it writes can lose its place to another
/// writer and fail, so a writing transaction takes the write lock at once.
pub(super) const SQLITE_BEGIN: &str = "begin immediate";

/// Differs because SQLite looks a numbered placeholder up among all of its statement, so that what a
/// value costs would grow with their number; PostgreSQL knows no others.
pub(super) const SQLITE_PLACEHOLDERS: Placeholders = Placeholders::InTurn;
pub(super) const POSTGRES_PLACEHOLDERS: Placeholders = Placeholders::Numbered;

/// Differs because the engines name their column types and automatic ids differently.
fn sqlite_migrations() -> Migrator {
    with_later_ones(sqlx::migrate!("../migrations/sqlite"))
}

fn postgres_migrations() -> Migrator {
    with_later_ones(sqlx::migrate!("../migrations/postgres"))
}

/// What a later version added to the database is left alone: migrations only ever add, and so an
/// upgrade can be taken back.
fn with_later_ones(mut migrations: Migrator) -> Migrator {
    migrations.set_ignore_missing(true);
    migrations
}

/// How long a connection waits for another process's lock, or for a free connection.
const WAIT: Duration = Duration::from_secs(10);

/// A plan that is made once for all values compares a long list of them one by one. On a table that was
/// filled since it was last analyzed, that took 21 s for 4,096 tests among 300,000, instead of 0.05 s.
const POSTGRES_PLANS: [(&str, &str); 1] = [("plan_cache_mode", "force_custom_plan")];

/// What PostgreSQL is told to bound. A master that is stopped in the middle of a transaction would
/// otherwise hold up the writers of all others for as long as its connection seems to live.
const POSTGRES_PATIENCE: [(&str, &str); 2] = [
    // As long as SQLite's connections wait for a lock.
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "60s"),
];

/// How long the first connection to a server may take. A pool would try again and again in silence,
/// and whoever starts a master wants to know.
const FIRST_CONNECTION: Duration = Duration::from_secs(5);

/// Readers at a time.
const READERS_MAX: u32 = 8;

/// Writers at a time, on PostgreSQL: the writer itself, and runs whose new tests are being interned.
const POSTGRES_WRITERS_MAX: u32 = 4;

/// Memory for pages of the writer, as SQLite wants it said: in KiB, negative. What a transaction changes
/// beyond that is written to the log more than once.
const WRITER_CACHE_SIZE: &str = "-65536";

/// Pages in the write-ahead log before it is moved into the database: 16 MiB.
const CHECKPOINT_PAGES: &str = "4000";

/// Differs because SQLite is a file: it may have to be made, has one writer, and must be told to be
/// durable.
pub(super) async fn open_sqlite(url: &str) -> Result<Pools, StoreError> {
    let unusable = |error: sqlx::Error| StoreError::Url(error.to_string());
    let options: SqliteConnectOptions = url.parse().map_err(unusable)?;
    let file = options.get_filename();
    if file.as_os_str().is_empty() {
        let reason = "no file is named, write sqlite://path";
        return Err(StoreError::Url(reason.to_owned()));
    }
    if url.contains(":memory:") || url.contains("mode=memory") {
        let reason = "a database in memory forgets everything, name a file: sqlite://path";
        return Err(StoreError::Url(reason.to_owned()));
    }
    if let Some(folder) = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        std::fs::create_dir_all(folder).map_err(|source| StoreError::Folder {
            path: folder.display().to_string(),
            source,
        })?;
    }
    let options = options
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(WAIT)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .statement_cache_capacity(300)
        .disable_statement_logging();
    let write = SqlitePoolOptions::new()
        .max_connections(1)
        .test_before_acquire(false)
        // When a disk fails or is full, SQLite ends a transaction by itself. Its end cannot be asked
        // for once more then, and sqlx would believe for ever that it goes on.
        .before_acquire(|connection, _| Box::pin(async { Ok(!connection.is_in_transaction()) }))
        .acquire_timeout(3 * WAIT)
        .connect_with(options.clone().pragma("cache_size", WRITER_CACHE_SIZE))
        .await?;
    sqlite_migrations().run(&write).await?;
    // A connection to a file cannot be lost, so it need not be tried before each use.
    let read = SqlitePoolOptions::new()
        .max_connections(READERS_MAX)
        .test_before_acquire(false)
        .acquire_timeout(WAIT)
        .connect_with(options.pragma("query_only", "1"))
        .await?;
    Ok(Pools::Sqlite { write, read })
}

/// Differs because PostgreSQL is a server that several masters share.
pub(super) async fn open_postgres(url: &str) -> Result<Pools, StoreError> {
    let options: PgConnectOptions = url
        .parse()
        .map_err(|error: sqlx::Error| StoreError::Url(error.to_string()))?;
    let options = options
        .application_name("pytest-platform-master")
        .options(POSTGRES_PLANS)
        .statement_cache_capacity(300)
        .disable_statement_logging();
    try_postgres(&options).await?;
    // Masters that start together wait for the first one's migrations, however long they take.
    let migrating = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(WAIT)
        .connect_with(options.clone())
        .await?;
    postgres_migrations().run(&migrating).await?;
    migrating.close().await;
    let write = PgPoolOptions::new()
        .max_connections(POSTGRES_WRITERS_MAX)
        .acquire_timeout(WAIT)
        .connect_with(options.clone().options(POSTGRES_PATIENCE))
        .await?;
    let read = PgPoolOptions::new()
        .max_connections(READERS_MAX)
        .acquire_timeout(WAIT)
        .connect_with(options.clone())
        .await?;
    // A listening connection that is closed for its age or idleness would miss something.
    let listen = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(WAIT)
        .max_lifetime(None)
        .idle_timeout(None)
        .connect_lazy_with(options);
    Ok(Pools::Postgres {
        write,
        read,
        listen,
    })
}

/// Connects once, so that a server that is not there is named soon.
async fn try_postgres(options: &PgConnectOptions) -> Result<(), StoreError> {
    let unreachable = |reason: String| StoreError::Unreachable {
        server: match options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => format!("{}:{}", options.get_host(), options.get_port()),
        },
        reason,
    };
    let connection =
        tokio::time::timeout(FIRST_CONNECTION, PgConnection::connect_with(options)).await;
    match connection {
        Err(_) => {
            let seconds = FIRST_CONNECTION.as_secs();
            Err(unreachable(format!("no answer within {seconds} s")))
        }
        Ok(Err(error)) => Err(unreachable(error.to_string())),
        Ok(Ok(connection)) => {
            // What becomes of this connection does not matter: the pools open their own.
            let _ = connection.close().await;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use sqlx::Executor;

    use crate::store::Store;
    use crate::store::engine::Transacting;

    #[tokio::test]
    async fn a_transaction_that_sqlite_ended_by_itself_does_not_stay_in_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("test.db");
        let url = format!("sqlite://{}", file.display());
        let store = Store::open(&url).await.unwrap();
        for _ in 0..3 {
            let mut transaction = store.pools().begin().await.unwrap();
            if let Transacting::Sqlite(transaction) = &mut transaction {
                transaction.execute("rollback").await.unwrap();
            }
            drop(transaction);
        }
        let transaction = store.pools().begin().await.unwrap();
        transaction.commit().await.unwrap();
        store.close().await;
    }
}
