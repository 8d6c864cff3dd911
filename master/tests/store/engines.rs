//! A store of its own for every test, on either engine.

use std::future::Future;
use std::pin::Pin;

use chrono::{DateTime, Utc};
use master::ingest::{Ingest, IngestError, IngestTask, Saved};
use master::store::Store;
use shared::run::NewRun;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

/// The engines.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// Declares tests that run on both engines: `on_both_engines!(a_fact, another_fact);` for
/// `async fn a_fact(db: &Database)`.
macro_rules! on_both_engines {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let run: $crate::engines::Test = |db| Box::pin(super::$name(db));
                    $crate::engines::with_database($crate::engines::Engine::Sqlite, run).await;
                }
            )+
        }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let run: $crate::engines::Test = |db| Box::pin(super::$name(db));
                    $crate::engines::with_database($crate::engines::Engine::Postgres, run).await;
                }
            )+
        }
    };
}

pub(crate) type Test = fn(&Database) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;

/// An empty database.
pub(crate) struct Database {
    pub(crate) url: String,
    pub(crate) engine: Engine,
}

/// A master's store on a database.
pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) ingest: Ingest,
    task: IngestTask,
}

impl Database {
    pub(crate) async fn open(&self) -> Opened {
        let store = Store::open(&self.url)
            .await
            .expect("the store did not open");
        let (ingest, task) = Ingest::start(store.clone());
        Opened {
            store,
            ingest,
            task,
        }
    }

    /// Changes it beside the store.
    pub(crate) async fn execute(&self, sql: &'static str) {
        match self.engine {
            Engine::Sqlite => {
                let mut connection = SqliteConnection::connect(&self.url).await.unwrap();
                sqlx::query(sql).execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }
            Engine::Postgres => {
                let mut connection = PgConnection::connect(&self.url).await.unwrap();
                sqlx::query(sql).execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }
        }
    }
}

impl Opened {
    /// Keeps a run that must be new.
    pub(crate) async fn save(&self, run: NewRun) {
        let saved = self.try_save(run).await.expect("the run was not taken");
        assert_eq!(saved, Saved::Created);
    }

    pub(crate) async fn try_save(&self, run: NewRun) -> Result<Saved, IngestError> {
        self.ingest.save(run, received_at()).await
    }

    pub(crate) async fn close(self) {
        self.task.finish().await;
        self.store.close().await;
    }
}

/// The time of receipt of all runs.
pub(crate) fn received_at() -> DateTime<Utc> {
    shared::time::parse("2026-11-21T10:00:00.123456Z").unwrap()
}

/// Runs a test on a database that exists only for it.
pub(crate) async fn with_database(engine: Engine, test: Test) {
    match engine {
        Engine::Sqlite => {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("made/on/the/way/results.db");
            let url = format!("sqlite://{}", file.display());
            test(&Database { url, engine }).await;
        }
        Engine::Postgres => {
            let server = std::env::var("TEST_POSTGRES_URL").unwrap_or_else(|_| {
                panic!(
                    "TEST_POSTGRES_URL is not set: run `cargo xtask test`, which starts a \
                     PostgreSQL, or set it to postgres://user@host:port/database of a server on \
                     which databases may be created"
                )
            });
            let name = format!("pytest_platform_test_{}", uuid::Uuid::now_v7().simple());
            administer(&server, format!("create database {name}")).await;
            let (base, _) = server.rsplit_once('/').expect("the URL names no database");
            let url = format!("{base}/{name}");
            // In a task, so that a failing test is caught and its database still dropped.
            let outcome = tokio::spawn(async move { test(&Database { url, engine }).await }).await;
            administer(&server, format!("drop database {name} with (force)")).await;
            if let Err(failed) = outcome {
                std::panic::resume_unwind(failed.into_panic());
            }
        }
    }
}

async fn administer(server: &str, statement: String) {
    let mut connection = PgConnection::connect(server)
        .await
        .expect("PostgreSQL at TEST_POSTGRES_URL cannot be reached");
    sqlx::query(AssertSqlSafe(statement))
        .execute(&mut connection)
        .await
        .expect("databases cannot be created or dropped at TEST_POSTGRES_URL");
    connection.close().await.unwrap();
}
