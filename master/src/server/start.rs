//! Start and orderly end of the master.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use tokio::net::TcpListener;

use super::connections;
use super::silence::SilenceTask;
use crate::access::Access;
use crate::config::Config;
use crate::http::{self, App, Parts};
use crate::ingest::{Ingest, IngestTask};
use crate::jobs::Jobs;
use crate::library::Library;
use crate::live::{Feed, FeedTask};
use crate::store::Store;

/// How long the writer may take to make durable what was accepted.
const FLUSH_GRACE: Duration = Duration::from_secs(15);

/// How long the database may take to close.
const CLOSE_GRACE: Duration = Duration::from_secs(5);

/// A master that is bound to its port and has its database open.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
    store: Store,
    writer: IngestTask,
    silence: SilenceTask,
    feed: Feed,
    feed_task: FeedTask,
    head_timeout: Duration,
}

impl Server {
    /// Binds the port first, because that fails fastest, then opens the database.
    pub async fn start(config: &Config) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("cannot listen on {}", config.listen))?;
        let address = listener
            .local_addr()
            .context("the listener has no address")?;
        let store = Store::open(&config.database_url)
            .await
            .with_context(|| format!("cannot open {}", config.database_shown()))?;
        let (ingest, writer) = Ingest::start(store.clone());
        let silence = SilenceTask::start(ingest.clone(), config.worker_silence_max);
        let (feed, feed_task) = Feed::start(store.clone())
            .await
            .context("the database does not tell what happens in it")?;
        let parts = Parts {
            store: store.clone(),
            ingest,
            feed: feed.clone(),
            jobs: Jobs::new(store.clone(), config.lease),
            library: Library::new(store.clone(), config.tests_dir.clone()),
            access: Access::new(store.clone()),
        };
        let app = App::new(parts, config.timeouts);
        let router = http::router(app, config);
        Ok(Self {
            listener,
            address,
            router,
            store,
            writer,
            silence,
            feed,
            feed_task,
            head_timeout: config.timeouts.head,
        })
    }

    /// The address that is really listened on.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Serves until `stop` resolves; then finishes requests, makes durable what was accepted and
    /// closes the database, each in bounded time.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let Self {
            listener,
            router,
            store,
            writer,
            silence,
            feed,
            feed_task,
            head_timeout,
            ..
        } = self;
        let stop = async {
            stop.await;
            // Listeners would keep their connections for ever.
            feed.end();
        };
        connections::serve(listener, router, stop, head_timeout).await;
        silence.finish().await;
        if tokio::time::timeout(FLUSH_GRACE, writer.finish())
            .await
            .is_err()
        {
            tracing::error!(
                "the database did not take everything in time; unanswered runs may be missing"
            );
        }
        feed_task.finish().await;
        if tokio::time::timeout(CLOSE_GRACE, store.close())
            .await
            .is_err()
        {
            tracing::warn!("the database did not close in time");
        }
        tracing::info!("stopped");
    }
}
