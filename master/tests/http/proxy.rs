//! A wire to PostgreSQL that a test can cut, and a database of its own behind it.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What happens to what the master sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// It passes.
    Whole,
    /// No connection lives.
    Cut,
    /// The first `COMMIT` is swallowed and the wire is cut with it.
    CutBeforeCommit,
    /// The first `COMMIT` passes and the wire is cut in place of its answer.
    CutAfterCommit,
}

/// A PostgreSQL database that only one test uses, behind a wire.
pub(crate) struct Remote {
    /// The database through the wire.
    pub(crate) url: String,
    server: String,
    name: String,
    wire: Arc<watch::Sender<Wire>>,
    task: JoinHandle<()>,
}

impl Remote {
    pub(crate) async fn start() -> Self {
        let server = std::env::var("TEST_POSTGRES_URL").expect(
            "TEST_POSTGRES_URL is not set: run `cargo xtask test`, which starts a PostgreSQL, or set \
             it to postgres://user@host:port/database of a server on which databases may be created",
        );
        let name = format!("pytest_platform_test_{}", uuid::Uuid::now_v7().simple());
        administer(&server, format!("create database {name}")).await;
        let mut url = url::Url::parse(&server).unwrap();
        let behind = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port()))
            .unwrap();
        url.set_path(&name);
        let wire = Arc::new(watch::channel(Wire::Whole).0);
        let task = tokio::spawn(accept(listener, behind, Arc::clone(&wire)));
        Self {
            url: url.to_string(),
            server,
            name,
            wire,
            task,
        }
    }

    pub(crate) fn set(&self, wire: Wire) {
        self.wire.send_replace(wire);
    }

    /// Has the server do something to the database behind the wire; `{}` stands for its name.
    pub(crate) async fn administer(&self, statement: &str) {
        administer(&self.server, statement.replace("{}", &self.name)).await;
    }

    /// Ends the server's side of every connection to the database.
    pub(crate) async fn end_backends(&self) {
        let statement =
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{}'";
        self.administer(statement).await;
    }

    /// Drops the database.
    pub(crate) async fn end(self) {
        self.task.abort();
        administer(
            &self.server,
            format!("drop database {} with (force)", self.name),
        )
        .await;
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

async fn accept(listener: TcpListener, behind: String, wire: Arc<watch::Sender<Wire>>) {
    while let Ok((near, _)) = listener.accept().await {
        if *wire.borrow() == Wire::Cut {
            continue;
        }
        let (behind, wire) = (behind.clone(), Arc::clone(&wire));
        tokio::spawn(async move {
            let mut changes = wire.subscribe();
            let cut = changes.wait_for(|wire| *wire == Wire::Cut);
            tokio::select! {
                _ = cut => {}
                () = carry(near, &behind, &wire) => {}
            }
        });
    }
}

/// Carries bytes both ways until an end closes or the wire is cut.
async fn carry(mut near: TcpStream, behind: &str, wire: &watch::Sender<Wire>) {
    let mut far = TcpStream::connect(behind).await.unwrap();
    let (mut from_near, mut from_far) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            read = near.read(&mut from_near) => {
                let Ok(bytes @ 1..) = read else { return };
                let bytes = &from_near[..bytes];
                let commits = bytes.windows(6).any(|word| word == b"COMMIT");
                let now = *wire.borrow();
                if commits && now == Wire::CutBeforeCommit {
                    wire.send_replace(Wire::Cut);
                    return;
                }
                if far.write_all(bytes).await.is_err() {
                    return;
                }
                if commits && now == Wire::CutAfterCommit {
                    // The answer proves that the server did it; it goes no further.
                    let _ = far.read(&mut from_far).await;
                    wire.send_replace(Wire::Cut);
                    return;
                }
            }
            read = far.read(&mut from_far) => {
                let Ok(bytes @ 1..) = read else { return };
                if near.write_all(&from_far[..bytes]).await.is_err() {
                    return;
                }
            }
        }
    }
}
