//! Start and orderly end of the master.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::connections;
use super::leases::LeaseTask;
use super::signal;
use super::silence::SilenceTask;
use super::tls::Tls;
use crate::access::{Access, AuditTask, tokens};
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
    leases: LeaseTask,
    feed: Feed,
    feed_task: FeedTask,
    audit: AuditTask,
    sweeps: [JoinHandle<()>; 2],
    tls: Option<Arc<Tls>>,
    head_timeout: Duration,
}

impl Server {
    /// Binds the port first, because that fails fastest, then opens the database.
    pub async fn start(config: &Config) -> anyhow::Result<Self> {
        let tls = config
            .tls
            .as_ref()
            .map(Tls::open)
            .transpose()?
            .map(Arc::new);
        let listener = TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("cannot listen on {}", config.listen))?;
        let address = listener
            .local_addr()
            .context("the listener has no address")?;
        let store = Store::open(&config.database_url)
            .await
            .with_context(|| format!("cannot open {}", config.database_shown()))?;
        let asks_always = asks_always(config, &store).await?;
        let (access, audit) = Access::start(store.clone(), asks_always);
        let (ingest, writer) = Ingest::start(store.clone());
        let silence = SilenceTask::start(ingest.clone(), config.worker_silence_max);
        let (feed, feed_task) = Feed::start(store.clone())
            .await
            .context("the database does not tell what happens in it")?;
        let jobs = Jobs::new(store.clone(), config.lease);
        let leases = LeaseTask::start(jobs.clone(), config.lease);
        let library = Library::new(store.clone(), config.tests_dir.clone());
        let sweeps = [
            tokio::spawn(library.clone().sweep_again_and_again()),
            tokio::spawn(jobs.clone().sweep_again_and_again(config.keep_jobs)),
        ];
        let parts = Parts {
            store: store.clone(),
            ingest,
            feed: feed.clone(),
            jobs,
            library,
            access,
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
            leases,
            feed,
            feed_task,
            audit,
            sweeps,
            tls,
            head_timeout: config.timeouts.head,
        })
    }

    /// The address that is really listened on.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
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
            leases,
            feed,
            feed_task,
            audit,
            sweeps,
            tls,
            head_timeout,
            ..
        } = self;
        let reloading = tls
            .clone()
            .map(|tls| tokio::spawn(signal::reload_at_hangup(tls)));
        let stop = async {
            stop.await;
            // Listeners would keep their connections for ever.
            feed.end();
        };
        connections::serve(listener, router, tls, stop, head_timeout).await;
        if let Some(reloading) = reloading {
            reloading.abort();
        }
        // What they did not come to is still there after the next start.
        for sweep in sweeps {
            sweep.abort();
        }
        silence.finish().await;
        leases.finish().await;
        if tokio::time::timeout(FLUSH_GRACE, writer.finish())
            .await
            .is_err()
        {
            tracing::error!(
                "the database did not take everything in time; unanswered runs may be missing"
            );
        }
        feed_task.finish().await;
        audit.finish().await;
        if tokio::time::timeout(CLOSE_GRACE, store.close())
            .await
            .is_err()
        {
            tracing::warn!("the database did not close in time");
        }
        tracing::info!("stopped");
    }
}

/// Whether everybody is asked who he is, whatever the database says. A master that others can reach asks,
/// unless it was told not to; and does not start when nobody could answer.
async fn asks_always(config: &Config, store: &Store) -> anyhow::Result<bool> {
    if config.listen.ip().is_loopback() || config.insecure_allow_anonymous {
        return Ok(false);
    }
    if tokens::any_or_account(store).await? {
        return Ok(true);
    }
    bail!(
        "--listen {} can be reached from other machines, and there is neither a token nor an account \
         that could open the master.\nMake one first, with the same --database-url: \
         `pytest-platform-master token create --name admin --scope admin`; or listen on 127.0.0.1; or \
         add --insecure-allow-anonymous: then, until a token or an account is made, whoever reaches \
         the port can read every result, add new ones and run code on every agent",
        config.listen
    );
}
