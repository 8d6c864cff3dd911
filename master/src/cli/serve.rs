//! `serve`: the master itself.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use crate::config::Config;
use crate::logging::{self, LogFormat};
use crate::server::{Server, signal};

/// Longest silence that can be asked for: a week.
const SILENCE_SECONDS_MAX: u64 = 604_800;

/// Longest lease that can be asked for: an hour.
const LEASE_SECONDS_MAX: i64 = 3_600;

/// Longest time for which jobs can be kept but not for ever: a hundred years.
const KEEP_DAYS_MAX: i64 = 36_500;

/// Options of `serve`.
#[derive(Debug, Clone, Args)]
pub struct ServeOptions {
    /// Address and port to listen on; port 0 takes a free one.
    #[arg(
        long,
        env = "LISTEN",
        default_value = "127.0.0.1:8080",
        value_name = "HOST:PORT"
    )]
    pub listen: String,

    /// Where results are kept: `sqlite://PATH` or `postgres://USER:PASSWORD@HOST/DATABASE`.
    /// Without it, a SQLite file in your data folder (`~/.local/share/pytest-platform`).
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// Let web pages of this origin, such as `https://ci.example.org`, read the answers. Can be
    /// repeated; `*` lets every page.
    #[arg(
        long,
        env = "CORS_ORIGIN",
        value_name = "ORIGIN",
        value_delimiter = ','
    )]
    pub cors_origin: Vec<String>,

    /// A further name in the Host header to answer to when listening on loopback, for a reverse
    /// proxy that passes its own name on. Can be repeated.
    #[arg(long, env = "ALLOWED_HOST", value_name = "NAME", value_delimiter = ',')]
    pub allowed_host: Vec<String>,

    /// Seconds for which the worker of a run that goes on may be silent before the run is closed as
    /// `lost`. A worker reports at least every few seconds.
    #[arg(
        long,
        env = "WORKER_SILENCE_MAX",
        value_name = "SECONDS",
        default_value_t = 120,
        value_parser = clap::value_parser!(u64).range(1..=SILENCE_SECONDS_MAX)
    )]
    pub worker_silence_max: u64,

    /// Seconds for which an agent may be silent before its job is given to another one.
    #[arg(
        long,
        env = "LEASE",
        value_name = "SECONDS",
        default_value_t = 30,
        value_parser = clap::value_parser!(u32).range(1..=LEASE_SECONDS_MAX)
    )]
    pub lease: u32,

    /// Days for which a job that is over is kept with its log and its history; its runs stay. 0 keeps jobs
    /// for ever.
    #[arg(
        long,
        env = "KEEP_JOBS",
        value_name = "DAYS",
        default_value_t = 90,
        value_parser = clap::value_parser!(i64).range(0..=KEEP_DAYS_MAX)
    )]
    pub keep_jobs: i64,

    /// Folder of the test library: files that jobs can be made of, found recursively. Without it,
    /// there is no library.
    #[arg(long, env = "TESTS_DIR", value_name = "FOLDER")]
    pub tests_dir: Option<PathBuf>,

    /// Speak https with this certificate, in PEM, those that vouch for it behind it. SIGHUP reads it and
    /// its key again.
    #[arg(long, env = "TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,

    /// The private key of the certificate, in PEM.
    #[arg(long, env = "TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// Listen on an address that others can reach although there is neither a token nor an account: until
    /// there is one, whoever reaches the port can read every result, add new ones and run code on every
    /// agent.
    #[arg(long)]
    pub insecure_allow_anonymous: bool,

    /// How log lines look on standard error; `RUST_LOG` says which appear.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// Runs the master until a signal ends it.
pub(super) fn serve_until_signal(options: &ServeOptions) -> anyhow::Result<()> {
    logging::start(options.log_format)?;
    let config = Config::from_options(options)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime does not start")?;
    runtime.block_on(async {
        // Handled before the address is announced: whoever reads the line may stop the master at once.
        let mut stop = Box::pin(signal::termination()?);
        let server = tokio::select! {
            server = Server::start(&config) => server?,
            () = &mut stop => return anyhow::Ok(()),
        };
        logging::announce(
            options.log_format,
            &format!(
                "listening on {}, database {}",
                server.url(),
                config.database_shown()
            ),
        );
        server.run(stop).await;
        anyhow::Ok(())
    })
}
