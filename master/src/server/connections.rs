//! Connections: accepted up to a limit, each bounded in time, ended gracefully.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use super::peer::FromPeer;
use super::stalled::Stalled;

/// Most connections at a time; more wait in the listener's queue.
const CONNECTIONS_MAX: usize = 1_000;

/// How long connections may take to finish their requests once the master stops.
const FINISH_GRACE: Duration = Duration::from_secs(10);

/// Pause after the system refused a connection, which it does when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Answers connections until `stop` resolves, then lets the open ones finish their request, in
/// bounded time.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()>,
    head_timeout: Duration,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let graceful = GracefulShutdown::new();
    let mut open = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(_) = open.join_next(), if !open.is_empty() => {}
            accepted = accept(&listener, &room) => match accepted {
                Ok((stream, peer, permit)) => {
                    let service = FromPeer::new(peer, TowerToHyperService::new(router.clone()));
                    let served = graceful.watch(connection(stream, service, head_timeout));
                    open.spawn(async move {
                        if let Err(error) = served.await {
                            tracing::debug!(%error, "connection ended early");
                        }
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "connection refused by the system");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    if tokio::time::timeout(FINISH_GRACE, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!(
            connections = open.len(),
            "connections cut: they did not finish in time"
        );
    }
    open.shutdown().await;
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = Arc::clone(room)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, permit))
}

type Answering = FromPeer<TowerToHyperService<Router>>;

type Connection = http1::Connection<TokioIo<Stalled<TcpStream>>, Answering>;

fn connection(stream: TcpStream, service: Answering, head_timeout: Duration) -> Connection {
    // Answers are written whole; waiting for more to send would only add latency.
    let _ = stream.set_nodelay(true);
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .serve_connection(TokioIo::new(Stalled::new(stream)), service)
}
