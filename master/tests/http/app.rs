//! A master for one test: on a free port, with a database of its own.

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use master::access::{Granted, tokens};
use master::config::{Config, CorsOrigins, Timeouts};
use master::server::Server;
use master::store::Store;
use reqwest::header::{HeaderMap, HeaderName};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use shared::access::Scope;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A running master and a client for it.
pub(crate) struct App {
    pub(crate) url: String,
    pub(crate) client: reqwest::Client,
    folder: TempDir,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
}

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl App {
    /// A master on an empty SQLite database.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// The same with another configuration.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            database_url: sqlite_url(folder.path()),
            cors: CorsOrigins::None,
            allowed_hosts: Vec::new(),
            worker_silence_max: Duration::from_mins(2),
            keep_jobs: None,
            lease: Duration::from_secs(30),
            insecure_allow_anonymous: false,
            tests_dir: None,
            tls: None,
            timeouts: Timeouts::default(),
        };
        change(&mut config);
        let server = Server::start(&config).await.unwrap();
        let url = server.url();
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Self {
            url,
            client: client(),
            folder,
            stop: Some(stop),
            server,
        }
    }

    /// Stops the master in order.
    pub(crate) async fn stop(mut self) {
        self.begin_to_stop();
        self.stop_begun().await;
    }

    /// Tells the master to stop without waiting for it.
    pub(crate) fn begin_to_stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }

    /// Waits until a master that was told to stop has stopped; the folder of its database stays.
    pub(crate) async fn stop_begun(self) -> TempDir {
        tokio::time::timeout(Duration::from_secs(20), self.server)
            .await
            .unwrap()
            .unwrap();
        self.folder
    }

    /// The folder of the database.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn database_url(&self) -> String {
        sqlite_url(self.folder())
    }

    /// The database, as a command would open it beside the master.
    pub(crate) async fn store(&self) -> Store {
        Store::open(&self.database_url()).await.unwrap()
    }

    /// A token that may do something, made beside the master.
    pub(crate) async fn token(
        &self,
        name: &str,
        scopes: &[Scope],
        project: Option<&str>,
    ) -> String {
        self.token_until(name, scopes, project, None).await
    }

    /// The same, which expires.
    pub(crate) async fn token_until(
        &self,
        name: &str,
        scopes: &[Scope],
        project: Option<&str>,
        expires_at: Option<DateTime<Utc>>,
    ) -> String {
        let granted = Granted {
            name: name.to_owned(),
            scopes: scopes.iter().copied().collect(),
            project: project.map(str::to_owned),
        };
        let store = self.store().await;
        let token = tokens::create(&store, &granted, expires_at, "local:test").await;
        store.close().await;
        token.unwrap()
    }

    /// Waits until the master knows what was changed beside it.
    pub(crate) async fn knows(&self) {
        tokio::time::sleep(Duration::from_millis(1_100)).await;
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    pub(crate) async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.request(Method::GET, path, headers, Vec::new()).await
    }

    /// The JSON at a path that must be there.
    pub(crate) async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "GET {path}: {}", answer.text());
        answer.json()
    }

    pub(crate) async fn post(&self, body: &Value) -> Answer {
        self.post_bytes(body.to_string().into_bytes(), &[]).await
    }

    /// Posts bytes as JSON; `headers` may say otherwise.
    pub(crate) async fn post_bytes(&self, body: Vec<u8>, headers: &[(&str, &str)]) -> Answer {
        let mut all = vec![("content-type", "application/json")];
        all.retain(|(name, _)| !headers.iter().any(|(other, _)| other == name));
        all.extend(headers.iter().filter(|(_, value)| !value.is_empty()));
        self.request(Method::POST, "/results", &all, body).await
    }

    /// Posts a run that must be taken.
    pub(crate) async fn save(&self, body: Value) {
        let answer = self.post(&body).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
    }

    pub(crate) async fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Answer {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !body.is_empty() {
            request = request.body(body);
        }
        let response = request.send().await.unwrap();
        Answer {
            status: response.status(),
            headers: response.headers().clone(),
            bytes: response.bytes().await.unwrap().to_vec(),
        }
    }

    /// Nothing was stored and the master still takes runs.
    pub(crate) async fn is_empty_and_healthy(&self) {
        assert_eq!(self.json("/results").await, json!([]));
        assert_eq!(self.json("/health").await, json!({"status": "ok"}));
    }
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    pub(crate) fn header(&self, name: &'static str) -> &str {
        let value = self.headers.get(HeaderName::from_static(name));
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// The URL of `rel="next"`.
    pub(crate) fn next(&self) -> Option<String> {
        let link = self.header("link");
        let (url, rest) = link.strip_prefix('<')?.split_once('>')?;
        assert_eq!(rest, "; rel=\"next\"");
        Some(url.to_owned())
    }

    /// It is a problem with this status and code; answers the field at fault.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        for text in ["title", "detail", "request_id"] {
            assert!(!problem[text].as_str().unwrap().is_empty(), "{problem}");
        }
        problem["field"].as_str().unwrap_or_default().to_owned()
    }
}

/// A run with cases, one for each outcome given.
pub(crate) fn run_with_cases(run_id: &str, outcomes: &[&str]) -> Value {
    let case = |(position, outcome): (usize, &&str)| json!({"nodeid": format!("tests/test_a.py::test_{position}"), "outcome": outcome, "duration": 0.5});
    let cases: Vec<Value> = outcomes.iter().enumerate().map(case).collect();
    json!({"run_id": run_id, "worker_id": "w", "project": "p", "branch": "main", "cases": cases})
}

pub(crate) fn sqlite_url(folder: &Path) -> String {
    format!("sqlite://{}", folder.join("test.db").display())
}

/// A client that neither asks for packed answers nor unpacks them, so that tests see the wire.
pub(crate) fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_gzip()
        .no_proxy()
        .build()
        .unwrap()
}
