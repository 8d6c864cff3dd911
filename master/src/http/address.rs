//! Where a request comes from.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderName};

/// Where a reverse proxy writes whom it speaks for.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address of the client, `None` only where a request comes from no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClientAddress(pub(super) Option<IpAddr>);

impl ClientAddress {
    /// The other end of the connection. When that is this machine, it may be a reverse proxy: then the
    /// last address that it added. Whoever can connect from this machine can claim any address by that;
    /// it is good for counting failures and for the audit log, and nothing is let in for it.
    pub(super) fn of(extensions: &Extensions, headers: &HeaderMap) -> Self {
        let connection: Option<&ConnectInfo<SocketAddr>> = extensions.get();
        let Some(ConnectInfo(peer)) = connection else {
            return Self(None);
        };
        let peer = peer.ip().to_canonical();
        if !peer.is_loopback() {
            return Self(Some(peer));
        }
        let last = headers.get_all(FORWARDED_FOR).iter().next_back();
        let last = last.and_then(|line| line.to_str().ok()?.rsplit(',').next());
        let claimed = last.and_then(|text| text.trim().parse().ok());
        Self(Some(claimed.unwrap_or(peer)))
    }

    /// The address in words, empty when there is none.
    pub(super) fn text(self) -> String {
        self.0
            .map_or_else(String::new, |address| address.to_string())
    }
}

impl<S: Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.extensions, &parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn address(peer: &str, forwarded: &[&'static str]) -> String {
        let mut extensions = Extensions::new();
        let peer: SocketAddr = peer.parse().unwrap();
        extensions.insert(ConnectInfo(peer));
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_static(line));
        }
        ClientAddress::of(&extensions, &headers).text()
    }

    #[test]
    fn only_a_proxy_on_this_machine_is_believed_and_only_what_it_added_itself() {
        assert_eq!(address("192.0.2.1:5", &["198.51.100.7"]), "192.0.2.1");
        assert_eq!(address("127.0.0.1:5", &[]), "127.0.0.1");
        assert_eq!(address("127.0.0.1:5", &["nonsense"]), "127.0.0.1");
        let claims = ["203.0.113.9", "10.0.0.1, 198.51.100.7"];
        assert_eq!(address("127.0.0.1:5", &claims), "198.51.100.7");
        assert_eq!(address("[::ffff:192.0.2.1]:5", &[]), "192.0.2.1");
    }
}
