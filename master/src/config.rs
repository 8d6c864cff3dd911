//! What the command line and the environment asked for, checked once.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use axum::http::HeaderValue;
use chrono::TimeDelta;

use crate::cli::ServeOptions;

/// Everything the server needs to know to start.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where results are kept.
    pub database_url: String,
    /// Whose web pages may read answers.
    pub cors: CorsOrigins,
    /// Host names to answer to besides the loopback ones, in lower case.
    pub allowed_hosts: Vec<String>,
    /// How long the worker of a run that goes on may be silent before the run is closed as lost.
    pub worker_silence_max: Duration,
    /// How long an agent may be silent before it loses its job.
    pub lease: Duration,
    /// How long jobs that are over are kept; `None` for ever.
    pub keep_jobs: Option<TimeDelta>,
    /// Whether a listener that others can reach asks nobody who he is while there is neither a token
    /// nor an account.
    pub insecure_allow_anonymous: bool,
    /// The test library.
    pub tests_dir: Option<PathBuf>,
    /// What makes connections safe; without it, they are plain HTTP.
    pub tls: Option<TlsFiles>,
    /// How long clients may take.
    pub timeouts: Timeouts,
}

/// Files in PEM for TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and behind it those that lead to one that clients know.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// How long clients may take. Not options: the tests alone want other values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For the head of a request, the idle time between two requests included.
    pub head: Duration,
    /// Between two parts of a body.
    pub body_pause: Duration,
    /// For a whole body.
    pub body: Duration,
    /// Between two signs of life to a client that listens.
    pub heartbeat: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(30),
            body_pause: Duration::from_secs(30),
            body: Duration::from_mins(5),
            heartbeat: Duration::from_secs(15),
        }
    }
}

/// Origins that CORS lets read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CorsOrigins {
    /// No page of another origin.
    None,
    /// Pages of these origins.
    Listed(Vec<HeaderValue>),
    /// Every page.
    Any,
}

impl Config {
    /// Checks the options, each for itself: nothing is opened or bound.
    pub fn from_options(options: &ServeOptions) -> anyhow::Result<Self> {
        let listen = address(&options.listen)?;
        Ok(Self {
            listen,
            database_url: database_url(options.database_url.as_deref())?,
            cors: cors(&options.cors_origin)?,
            allowed_hosts: options
                .allowed_host
                .iter()
                .map(|name| name.to_lowercase())
                .collect(),
            worker_silence_max: Duration::from_secs(options.worker_silence_max),
            lease: Duration::from_secs(u64::from(options.lease)),
            keep_jobs: (options.keep_jobs > 0).then(|| TimeDelta::days(options.keep_jobs)),
            insecure_allow_anonymous: options.insecure_allow_anonymous,
            tests_dir: tests_dir(options.tests_dir.as_deref())?,
            tls: tls(options.tls_cert.as_deref(), options.tls_key.as_deref())?,
            timeouts: Timeouts::default(),
        })
    }

    /// The database URL for people: without its password.
    pub fn database_shown(&self) -> String {
        without_password(&self.database_url)
    }
}

fn address(text: &str) -> anyhow::Result<SocketAddr> {
    text.to_socket_addrs()
        .with_context(|| {
            format!("--listen {text}: not an address and a port, such as 127.0.0.1:8080")
        })?
        .next()
        .ok_or_else(|| anyhow!("--listen {text}: the name has no address"))
}

/// A folder that is not there would be an empty library, and a typing error would look like one.
fn tests_dir(given: Option<&Path>) -> anyhow::Result<Option<PathBuf>> {
    let Some(folder) = given.filter(|folder| !folder.as_os_str().is_empty()) else {
        return Ok(None);
    };
    let shown = folder.display();
    let found = std::fs::metadata(folder).with_context(|| format!("--tests-dir {shown}"))?;
    if !found.is_dir() {
        bail!("--tests-dir {shown}: is not a folder");
    }
    Ok(Some(folder.to_owned()))
}

fn tls(certificate: Option<&Path>, key: Option<&Path>) -> anyhow::Result<Option<TlsFiles>> {
    match (certificate, key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Ok(Some(TlsFiles {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        })),
        (Some(_), None) => bail!("--tls-cert needs the certificate's key as well: --tls-key FILE"),
        (None, Some(_)) => bail!("--tls-key needs its certificate as well: --tls-cert FILE"),
    }
}

/// Where results are kept: what was given, else a file in the data folder.
pub(crate) fn database_url(given: Option<&str>) -> anyhow::Result<String> {
    match given.map(str::trim) {
        Some(url) if !url.is_empty() => Ok(url.to_owned()),
        _ => {
            let path = data_folder()?.join("pytest-platform.db");
            let path = path
                .to_str()
                .context("the path of the data folder is not Unicode")?;
            Ok(format!("sqlite://{path}"))
        }
    }
}

/// The service manager's folder, then the user's data folder. The current folder would give the
/// same person another history in every folder they start the master from.
fn data_folder() -> anyhow::Result<PathBuf> {
    let from = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|p| p.is_absolute())
    };
    if let Some(folder) = from("STATE_DIRECTORY") {
        return Ok(folder);
    }
    from("XDG_DATA_HOME")
        .or_else(|| from("HOME").map(|home| home.join(".local/share")))
        .map(|folder| folder.join("pytest-platform"))
        .context(
            "neither XDG_DATA_HOME nor HOME is set: say where to keep results with --database-url",
        )
}

fn cors(origins: &[String]) -> anyhow::Result<CorsOrigins> {
    let origins: Vec<&str> = origins
        .iter()
        .map(|origin| origin.trim())
        .filter(|origin| !origin.is_empty())
        .collect();
    if origins.contains(&"*") {
        return Ok(CorsOrigins::Any);
    }
    if origins.is_empty() {
        return Ok(CorsOrigins::None);
    }
    origins
        .into_iter()
        .map(origin)
        .collect::<anyhow::Result<_>>()
        .map(CorsOrigins::Listed)
}

/// Browsers send an origin as scheme, host and port, nothing behind; another spelling would
/// never match, silently.
fn origin(text: &str) -> anyhow::Result<HeaderValue> {
    let wrong =
        || anyhow!("--cors-origin {text}: must look like https://ci.example.org, without a path");
    let url = url::Url::parse(text).map_err(|_| wrong())?;
    let normal = url.origin().ascii_serialization();
    if normal != text.trim_end_matches('/') || !matches!(url.scheme(), "http" | "https") {
        return Err(wrong());
    }
    HeaderValue::from_str(&normal).map_err(|_| wrong())
}

/// A database URL for people: without its password.
pub(crate) fn database_shown(url: &str) -> String {
    without_password(url)
}

/// A URL that cannot be parsed is hidden up to its host, because nobody knows what is in it. A
/// password may also be a parameter.
fn without_password(url: &str) -> String {
    if url.starts_with("sqlite:") {
        return url.to_owned();
    }
    let Ok(mut parsed) = url::Url::parse(url) else {
        let shown = url.rsplit_once('@').map(|(_, host)| format!("***@{host}"));
        let shown = shown.as_deref().unwrap_or(url);
        return shown.split('?').next().unwrap_or_default().to_owned();
    };
    if parsed.password().is_some() {
        let _ = parsed.set_password(Some("***"));
    }
    if parsed
        .query()
        .is_some_and(|query| query.contains("password"))
    {
        parsed.set_query(Some("***"));
    }
    parsed.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(arguments: &[&str]) -> ServeOptions {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            serve: ServeOptions,
        }
        let line = ["master", "--listen", "127.0.0.1:0"]
            .iter()
            .chain(arguments);
        <Line as clap::Parser>::parse_from(line).serve
    }

    #[test]
    fn an_address_without_a_port_is_refused_with_an_example() {
        let mut bad = options(&[]);
        bad.listen = "localhost".into();
        let error = format!("{:#}", Config::from_options(&bad).unwrap_err());
        assert!(error.contains("127.0.0.1:8080"), "{error}");
    }

    #[test]
    fn jobs_are_kept_for_some_days_or_for_ever() {
        let kept = |arguments: &[&str]| {
            let config = Config::from_options(&options(arguments)).unwrap();
            config.keep_jobs
        };
        assert_eq!(kept(&[]), Some(TimeDelta::days(90)));
        assert_eq!(kept(&["--keep-jobs", "7"]), Some(TimeDelta::days(7)));
        assert_eq!(kept(&["--keep-jobs", "0"]), None);
    }

    #[test]
    fn the_password_of_the_database_is_not_shown() {
        let shown = without_password("postgres://me:secret@db.example.org/results");
        assert_eq!(shown, "postgres://me:***@db.example.org/results");
        assert_eq!(without_password("sqlite:///a/b.db"), "sqlite:///a/b.db");
        for url in [
            "postgres://me:secret@db.example.org:port/results",
            "postgres://me:se@cret@db.example.org:port/results",
            "postgres://db.example.org/results?password=secret",
            "postgres://db.example.org:port/results?password=secret",
        ] {
            let shown = without_password(url);
            assert!(!shown.contains("cret"), "{shown}");
            assert!(shown.contains("db.example.org"), "{shown}");
        }
    }

    #[test]
    fn an_origin_that_no_browser_sends_is_refused() {
        for text in ["ci.example.org", "https://ci.example.org/path", "ftp://x"] {
            assert!(cors(&[text.into()]).is_err(), "{text}");
        }
        assert_eq!(
            cors(&["https://ci.example.org".into()]).unwrap(),
            CorsOrigins::Listed(vec![HeaderValue::from_static("https://ci.example.org")])
        );
        assert_eq!(cors(&["*".into()]).unwrap(), CorsOrigins::Any);
        assert_eq!(cors(&[]).unwrap(), CorsOrigins::None);
    }
}
