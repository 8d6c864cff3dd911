//! The address at the other end of a connection, in each of its requests.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::service::Service;

/// A service whose requests know where they come from.
#[derive(Debug, Clone)]
pub(super) struct FromPeer<S> {
    peer: SocketAddr,
    inner: S,
}

impl<S> FromPeer<S> {
    /// What comes to `inner` comes from `peer`.
    pub(super) const fn new(peer: SocketAddr, inner: S) -> Self {
        Self { peer, inner }
    }
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for FromPeer<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn call(&self, mut request: Request<B>) -> S::Future {
        request.extensions_mut().insert(ConnectInfo(self.peer));
        self.inner.call(request)
    }
}
