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
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::peer::FromPeer;
use super::stalled::Stalled;
use super::tls::{self, Tls};

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
    tls: Option<Arc<Tls>>,
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
                    let watcher = graceful.watcher();
                    let tls = tls.as_ref().map(|tls| tls.acceptor());
                    open.spawn(async move {
                        answer(stream, tls, service, watcher, head_timeout).await;
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

/// Answers one connection to its end. What somebody takes to make a connection safe is his own time: the others
/// are accepted meanwhile.
async fn answer(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    service: Answering,
    watcher: Watcher,
    head_timeout: Duration,
) {
    // Answers are written whole; waiting for more to send would only add latency.
    let _ = stream.set_nodelay(true);
    let ended = match tls {
        None => {
            watcher
                .watch(connection(stream, service, head_timeout))
                .await
        }
        Some(acceptor) => match tls::handshake(&acceptor, stream).await {
            Ok(stream) => {
                watcher
                    .watch(connection(stream, service, head_timeout))
                    .await
            }
            Err(error) => {
                tracing::debug!(%error, "no safe connection was made");
                return;
            }
        },
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended early");
    }
}

type Connection<S> = http1::Connection<TokioIo<Stalled<S>>, Answering>;

fn connection<S>(stream: S, service: Answering, head_timeout: Duration) -> Connection<S>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .serve_connection(TokioIo::new(Stalled::new(stream)), service)
}
