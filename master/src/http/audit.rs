//! Which requests are written down in the audit log: everything that changes something, but for what
//! workers and agents say about their own work.

use axum::extract::Request;
use axum::http::{Method, StatusCode};
use chrono::Utc;
use shared::access::AuditEntry;

use super::address::ClientAddress;
use super::observe::RequestId;
use crate::access::{Access, Caller};

/// What workers, agents and runners say all the time: runs and attempts are their own history.
const PROTOCOL: [&str; 4] = [
    "/results",
    "/agents/lease",
    "/jobs/{job}/attempts/",
    "/api/task/result",
];

/// The status of a request whose client went before there was an answer.
const CLIENT_GONE: u16 = 499;

/// Something that is about to be done.
#[derive(Debug)]
pub(super) struct Deed {
    action: String,
    target: String,
    address: ClientAddress,
    request_id: String,
}

/// In an answer of an endpoint that everybody may call: whom it is about.
#[derive(Debug, Clone)]
pub(super) struct About(pub(super) String);

impl Deed {
    /// What a request is about to do, when it is to be written down. `path` is that of its route.
    pub(super) fn of(
        request: &Request,
        path: Option<&str>,
        address: ClientAddress,
    ) -> Option<Self> {
        let path = path?;
        let changes = !matches!(
            *request.method(),
            Method::GET | Method::HEAD | Method::OPTIONS
        );
        if !changes || PROTOCOL.iter().any(|own| path.starts_with(own)) {
            return None;
        }
        let request_id = request.extensions().get::<RequestId>();
        Some(Self {
            action: format!("{} {path}", request.method()),
            // Never the query: it could hold a secret.
            target: request.uri().path().to_owned(),
            address,
            request_id: request_id.map_or_else(String::new, |id| id.0.clone()),
        })
    }
}

impl Deed {
    /// Somebody begins to do it.
    pub(super) fn begun(self, access: &Access, caller: &Caller) -> Begun {
        let entry = AuditEntry {
            at: Utc::now(),
            who: caller.name.clone(),
            action: self.action,
            target: self.target,
            status: CLIENT_GONE,
            address: self.address.text(),
            request_id: self.request_id,
        };
        Begun {
            access: access.clone(),
            entry: Some(entry),
        }
    }
}

/// Something that is being done. It is written down also when its client does not wait for the answer,
/// because nobody knows then how far it came.
#[derive(Debug)]
pub(super) struct Begun {
    access: Access,
    entry: Option<AuditEntry>,
}

impl Begun {
    /// Writes down what came of it.
    pub(super) async fn ended(mut self, status: StatusCode, about: Option<About>) {
        let Some(mut entry) = self.entry.take() else {
            return;
        };
        if status == StatusCode::TOO_MANY_REQUESTS {
            // Whoever guesses is not to fill the log as well.
            return;
        }
        if let Some(About(who)) = about {
            entry.who = who;
        }
        entry.status = status.as_u16();
        self.access.note(entry).await;
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            self.access.note_at_once(entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn is_written_down(method: &str, path: &'static str) -> bool {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .body(Body::empty());
        Deed::of(&request.unwrap(), Some(path), ClientAddress(None)).is_some()
    }

    #[test]
    fn what_changes_something_is_written_down_but_for_the_protocol_of_workers() {
        for (method, path) in [
            ("POST", "/jobs"),
            ("POST", "/jobs/{job}/cancel"),
            ("DELETE", "/library/{*path}"),
            ("PUT", "/environments/{name}"),
            ("POST", "/run_suite"),
            ("POST", "/api/v1/login"),
        ] {
            assert!(is_written_down(method, path), "{method} {path}");
        }
        for (method, path) in [
            ("GET", "/jobs"),
            ("HEAD", "/jobs"),
            ("POST", "/results"),
            ("POST", "/results/{run_id}/finish"),
            ("POST", "/agents/lease"),
            ("POST", "/jobs/{job}/attempts/{attempt}/heartbeat"),
            ("POST", "/api/task/result"),
        ] {
            assert!(!is_written_down(method, path), "{method} {path}");
        }
    }
}
