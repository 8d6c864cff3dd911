//! One method per question that the master answers.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::{StatusCode, Url, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shared::answer::{FailureStat, TrendPoint, WorkerSummary};
use shared::case::Case;
use shared::query::{CasesQuery, FailureStatsQuery, RunsQuery, TrendQuery};
use shared::run::{Run, RunSummary};

use super::MasterError;
use crate::limits;

/// A master, by its address. Cloning shares the connections.
#[derive(Debug, Clone)]
pub struct Master {
    http: reqwest::Client,
    base: Url,
}

/// One page of a run's cases.
#[derive(Debug)]
pub struct CasePage {
    /// The cases, in the stored order of the tests.
    pub cases: Vec<Case>,
    /// Where the next page starts, `None` at the end.
    pub cursor: Option<String>,
}

/// One row of `GET /projects`.
#[derive(Debug, Clone, Deserialize)]
pub struct ProjectSummary {
    /// Its name.
    pub project: String,
    /// Runs it ever had.
    #[serde(default)]
    pub run_count: u64,
    /// When its last run was received.
    #[serde(default, with = "shared::time::optional")]
    pub last_seen: Option<DateTime<Utc>>,
}

#[derive(Serialize)]
struct NoParameters {}

impl Master {
    /// A master at `url`, asked with `token` where there is one. Connects only when asked.
    pub fn new(url: &str, token: Option<&str>) -> Result<Self, MasterError> {
        let bad = |reason: String| MasterError::BadUrl {
            url: url.rsplit('@').next().unwrap_or_default().to_owned(),
            reason,
        };
        let mut base = Url::parse(url.trim()).map_err(|error| bad(error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || base.host().is_none() {
            return Err(bad("it must start with http:// or https://".to_owned()));
        }
        if !base.username().is_empty() || base.password().is_some() {
            // It would be shown in error messages and reports.
            return Err(bad(
                "put no user name or password in it, use MASTER_TOKEN".to_owned()
            ));
        }
        base.set_query(None);
        base.set_fragment(None);
        // Fails only when another part of the program installed a provider first, which serves too.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("pytest-platform-mcp/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_millis(limits::MASTER_CONNECT_MS))
            .timeout(Duration::from_millis(limits::MASTER_ANSWER_MS))
            .redirect(reqwest::redirect::Policy::none());
        if is_loopback(&base) {
            // A proxy on the way to the same machine is never meant.
            builder = builder.no_proxy();
        }
        if let Some(token) = token.filter(|token| !token.is_empty()) {
            let mut value = header::HeaderValue::try_from(format!("Bearer {token}"))
                .map_err(|_| bad("the token has characters that a header cannot carry".into()))?;
            value.set_sensitive(true);
            builder =
                builder.default_headers([(header::AUTHORIZATION, value)].into_iter().collect());
        }
        let http = builder.build().map_err(|error| bad(error.to_string()))?;
        Ok(Self { http, base })
    }

    /// The address, without a slash at its end.
    pub fn url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// `GET /results`, newest first.
    pub async fn runs(&self, query: &RunsQuery) -> Result<Vec<RunSummary>, MasterError> {
        self.get(&["results"], query).await
    }

    /// `GET /results/{run_id}`.
    pub async fn run(&self, run_id: &str) -> Result<Run, MasterError> {
        self.get(&["results", run_id], &NoParameters {}).await
    }

    /// `GET /results/{run_id}/case`: one case with everything that went wrong in it.
    pub async fn case(&self, run_id: &str, nodeid: &str) -> Result<Case, MasterError> {
        let query = shared::query::CaseQuery {
            nodeid: nodeid.to_owned(),
        };
        self.get(&["results", run_id, "case"], &query).await
    }

    /// One page of `GET /results/{run_id}/cases`.
    pub async fn cases(&self, run_id: &str, query: &CasesQuery) -> Result<CasePage, MasterError> {
        let url = self.address(&["results", run_id, "cases"], query)?;
        let (headers, body) = self.fetch(&url).await?;
        Ok(CasePage {
            cases: read(&url, &body)?,
            cursor: next_cursor(&headers),
        })
    }

    /// `GET /trend`, oldest first.
    pub async fn trend(&self, query: &TrendQuery) -> Result<Vec<TrendPoint>, MasterError> {
        self.get(&["trend"], query).await
    }

    /// `GET /workers`, last seen first.
    pub async fn workers(&self) -> Result<Vec<WorkerSummary>, MasterError> {
        self.get(&["workers"], &NoParameters {}).await
    }

    /// `GET /failures/stats`, most failures first.
    pub async fn failure_stats(
        &self,
        query: &FailureStatsQuery,
    ) -> Result<Vec<FailureStat>, MasterError> {
        self.get(&["failures", "stats"], query).await
    }

    /// `GET /projects`.
    pub async fn projects(&self) -> Result<Vec<ProjectSummary>, MasterError> {
        self.get(&["projects"], &NoParameters {}).await
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &impl Serialize,
    ) -> Result<T, MasterError> {
        let url = self.address(path, query)?;
        let (_, body) = self.fetch(&url).await?;
        read(&url, &body)
    }

    /// Builds an address; every part of the path is encoded, so an id cannot leave its place.
    fn address(&self, path: &[&str], query: &impl Serialize) -> Result<Url, MasterError> {
        if path.iter().any(|part| matches!(*part, "" | "." | "..")) {
            let detail = "a run id cannot be empty, `.` or `..`".to_owned();
            return Err(MasterError::NotFound { detail });
        }
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let fields = serde_json::to_value(query).unwrap_or_default();
        for (name, value) in fields.as_object().into_iter().flatten() {
            let text = match value {
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            url.query_pairs_mut().append_pair(name, &text);
        }
        Ok(url)
    }

    async fn fetch(&self, url: &Url) -> Result<(header::HeaderMap, Vec<u8>), MasterError> {
        let failed = |error| MasterError::from_transport(url.as_str(), error);
        let mut answer = self.http.get(url.clone()).send().await.map_err(failed)?;
        let status = answer.status();
        let headers = answer.headers().clone();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > limits::MASTER_ANSWER_BYTES_MAX {
                return Err(MasterError::Strange {
                    url: url.to_string(),
                    reason: "the answer is larger than 64 MiB".to_owned(),
                });
            }
            body.extend_from_slice(&chunk);
        }
        if status.is_success() {
            return Ok((headers, body));
        }
        Err(refusal(url, status, &body))
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn read<T: DeserializeOwned>(url: &Url, body: &[u8]) -> Result<T, MasterError> {
    serde_json::from_slice(body).map_err(|error| MasterError::Strange {
        url: url.to_string(),
        reason: error.to_string(),
    })
}

fn refusal(url: &Url, status: StatusCode, body: &[u8]) -> MasterError {
    let url = url.to_string();
    let problem: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let detail = crate::untrusted::line(problem["detail"].as_str().unwrap_or_default(), 400);
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => MasterError::Unauthorized {
            url,
            status: status.as_u16(),
        },
        StatusCode::NOT_FOUND if !detail.is_empty() => MasterError::NotFound { detail },
        StatusCode::NOT_FOUND => MasterError::Strange {
            url,
            reason: "404 without an explanation".to_owned(),
        },
        _ => MasterError::Refused {
            url,
            status: status.as_u16(),
            detail,
        },
    }
}

/// The cursor in `Link: <...?cursor=...>; rel="next"`.
fn next_cursor(headers: &header::HeaderMap) -> Option<String> {
    let links = headers.get(header::LINK)?.to_str().ok()?;
    let next = links
        .split(',')
        .find(|link| link.contains(r#"rel="next""#))?;
    let target = next.split_once('<')?.1.split_once('>')?.0;
    let query = target.split_once('?')?.1;
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "cursor")
        .map(|(_, cursor)| cursor.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_leave_its_place_in_the_path() {
        let master = Master::new("http://localhost:8080/base/", None).unwrap();
        let url = master.address(&["results", "../a/b?c#d"], &NoParameters {});
        assert_eq!(
            url.unwrap().as_str(),
            "http://localhost:8080/base/results/..%2Fa%2Fb%3Fc%23d"
        );
        assert!(
            master
                .address(&["results", ".."], &NoParameters {})
                .is_err()
        );
    }

    #[test]
    fn parameters_that_are_absent_are_not_sent() {
        let master = Master::new("http://localhost:8080", None).unwrap();
        let query = RunsQuery {
            project: Some("a b&c".into()),
            limit: Some(3),
            ..RunsQuery::default()
        };
        let url = master.address(&["results"], &query).unwrap();
        assert_eq!(url.query(), Some("limit=3&project=a+b%26c"));
    }

    #[test]
    fn the_next_cursor_is_read_out_of_the_link_header() {
        let mut headers = header::HeaderMap::new();
        let link = r#"</results/r/cases?limit=2&cursor=a%2Bb>; rel="next""#;
        headers.insert(header::LINK, link.parse().unwrap());
        assert_eq!(next_cursor(&headers).as_deref(), Some("a+b"));
    }

    #[test]
    fn a_bad_address_is_refused_with_an_example() {
        let error = Master::new("localhost:8080", None).unwrap_err().to_string();
        assert!(error.contains("http://localhost:8080"), "{error}");
    }
}
