//! A client of `GET /events` that reads the stream line by line.

use std::time::Duration;

use futures_util::StreamExt;
use reqwest::Response;
use serde_json::Value;

use crate::app::App;

/// Longest wait for something that has to come.
const PATIENCE: Duration = Duration::from_secs(20);

/// An open stream of events.
pub(crate) struct Listening {
    pub(crate) response_headers: reqwest::header::HeaderMap,
    body: futures_util::stream::BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    unread: String,
}

/// A part of the stream up to an empty line: an event or a comment.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Told {
    pub(crate) name: String,
    pub(crate) id: Option<u64>,
    pub(crate) data: String,
    pub(crate) comment: String,
    pub(crate) retry_ms: Option<u64>,
}

impl Told {
    pub(crate) fn run(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    fn read(block: &str) -> Self {
        let mut told = Self::default();
        for line in block.lines() {
            let (field, value) = line.split_once(':').unwrap();
            let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
            match field {
                "" => told.comment = value,
                "event" => told.name = value,
                "id" => told.id = Some(value.parse().unwrap()),
                "data" => told.data += &value,
                "retry" => told.retry_ms = Some(value.parse().unwrap()),
                other => panic!("a field `{other}` in an event"),
            }
        }
        told
    }
}

impl Listening {
    /// Listens; when this answers, the master hears it.
    pub(crate) async fn to(app: &App, path: &str) -> Self {
        Self::with(app, path, &[]).await
    }

    pub(crate) async fn with(app: &App, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut listening = Self::silent(app, path, headers).await;
        let greeting = listening.part().await.expect("no greeting");
        assert_eq!(greeting.comment, "listening");
        assert!(greeting.retry_ms.is_some_and(|retry| retry >= 1_000));
        listening
    }

    /// Opens the stream and reads nothing of it.
    pub(crate) async fn silent(app: &App, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut request = app.client.get(format!("{}{path}", app.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response: Response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        Self {
            response_headers: response.headers().clone(),
            body: response.bytes_stream().boxed(),
            unread: String::new(),
        }
    }

    /// The next part; `None` at the end of the stream.
    pub(crate) async fn part(&mut self) -> Option<Told> {
        loop {
            if let Some(end) = self.unread.find("\n\n") {
                let block: String = self.unread.drain(..end + 2).collect();
                return Some(Told::read(block.trim_end()));
            }
            let read = tokio::time::timeout(PATIENCE, self.body.next());
            let bytes = read.await.expect("nothing comes");
            self.unread += std::str::from_utf8(&bytes?.ok()?).unwrap();
        }
    }

    /// The next event, comments skipped.
    pub(crate) async fn event(&mut self) -> Told {
        loop {
            let told = self.part().await.expect("the stream ended");
            if !told.name.is_empty() {
                return told;
            }
        }
    }

    /// The next event's name and run id.
    pub(crate) async fn news(&mut self) -> (String, String) {
        let told = self.event().await;
        let run_id = told.run()["run_id"].as_str().unwrap_or_default().to_owned();
        (told.name, run_id)
    }
}

/// What [`Listening::news`] answers for an event.
pub(crate) fn news(name: &str, run_id: &str) -> (String, String) {
    (name.to_owned(), run_id.to_owned())
}
