//! Log lines: structured, on standard error, text for people or JSON for machines.

use std::io::{IsTerminal, Write};

use anyhow::anyhow;
use tracing_subscriber::EnvFilter;

/// What is logged when `RUST_LOG` does not say.
const DEFAULT_FILTER: &str = "info";

/// The look of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Sends every later log line to standard error.
pub fn start(format: LogFormat) -> anyhow::Result<()> {
    let wanted = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let wanted = if wanted.trim().is_empty() {
        DEFAULT_FILTER
    } else {
        wanted.trim()
    };
    let filter = EnvFilter::try_new(wanted).map_err(|error| anyhow!("RUST_LOG: {error}"))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none());
    let started = match format {
        LogFormat::Text => lines.with_target(false).try_init(),
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .try_init(),
    };
    started.map_err(|error| anyhow!("logging does not start: {error}"))
}

/// Says something that must be seen whatever `RUST_LOG` filters: tools wait for this line.
pub fn announce(format: LogFormat, message: &str) {
    let line = match format {
        LogFormat::Text => message.to_owned(),
        LogFormat::Json => serde_json::json!({
            "timestamp": shared::time::format(chrono::Utc::now()),
            "level": "INFO",
            "message": message,
        })
        .to_string(),
    };
    let _ = writeln!(std::io::stderr(), "{line}");
}
