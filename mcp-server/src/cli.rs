//! The command line.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};

use crate::ask::{self, Filter};
use crate::client::Master;
use crate::limits::{REPORT_FILE_BYTES_MAX, REPORT_FILE_DETAILS_MAX};
use crate::{gather, page, server};

const MASTER_URL_USUAL: &str = "http://localhost:8080";

/// Shows what a pytest-platform master knows: to AI tools over MCP, to people as HTML.
#[derive(Debug, Parser)]
#[command(name = "pytest-platform-mcp", version, max_term_width = 100)]
struct Command {
    /// Address of the master.
    #[arg(
        long,
        env = "MASTER_URL",
        default_value = MASTER_URL_USUAL,
        hide_env_values = true,
        global = true
    )]
    master_url: String,

    /// Token for the master, where it wants one.
    #[arg(long, env = "MASTER_TOKEN", hide_env_values = true, global = true)]
    token: Option<String>,

    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Serve one MCP client over standard input and output (also without a subcommand).
    Stdio,
    /// Write the HTML report of one run.
    Report(ReportArguments),
}

#[derive(Debug, Args)]
struct ReportArguments {
    /// The newest run of this project.
    #[arg(long)]
    project: Option<String>,
    /// The newest run of this worker.
    #[arg(long)]
    worker_id: Option<String>,
    /// The newest run of this branch.
    #[arg(long)]
    branch: Option<String>,
    /// This run, whatever the other options say.
    #[arg(long)]
    run_id: Option<String>,
    /// Where to write the page, `-` for standard output.
    #[arg(long, short, default_value = "-")]
    output: PathBuf,
    /// Largest page; sections are cut to fit, visibly.
    #[arg(long, default_value_t = REPORT_FILE_BYTES_MAX)]
    bytes_max: usize,
}

/// Runs the command; 0 on success, 1 when there is nothing to show, 2 for a wrong command line.
pub fn main() -> ExitCode {
    let command = Command::parse();
    // Standard output belongs to the protocol or to the page.
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("LOG")
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn")),
        )
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    match run(&command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> anyhow::Result<()> {
    // A variable that is set and empty, as editors pass it on, means nothing was said.
    let url = Some(command.master_url.as_str())
        .filter(|url| !url.trim().is_empty())
        .unwrap_or(MASTER_URL_USUAL);
    let master = Master::new(url, command.token.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let done = runtime.block_on(async {
        match &command.action {
            None | Some(Action::Stdio) => server::serve_stdio(master).await,
            Some(Action::Report(arguments)) => write_report(&master, arguments).await,
        }
    });
    // A blocked read of standard input must not hold up the end.
    runtime.shutdown_background();
    done
}

async fn write_report(master: &Master, arguments: &ReportArguments) -> anyhow::Result<()> {
    let filter = Filter::new(
        arguments.project.clone(),
        arguments.worker_id.clone(),
        arguments.branch.clone(),
    );
    let found = ask::wanted_run(master, arguments.run_id.as_deref(), &filter).await?;
    let (run, going_on) = found.map(|found| (found.run, found.going_on)).unzip();
    let mut data = gather::report(master, run, REPORT_FILE_DETAILS_MAX).await;
    data.remarks.extend(going_on.flatten());
    let html = page::render(&data, arguments.bytes_max);
    if arguments.output.as_os_str() == "-" {
        std::io::stdout().lock().write_all(html.as_bytes())?;
        return Ok(());
    }
    std::fs::write(&arguments.output, html)
        .with_context(|| format!("cannot write {}", arguments.output.display()))
}

#[cfg(test)]
mod tests {
    use super::Command;

    #[test]
    fn the_command_line_is_sound() {
        <Command as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn the_help_is_as_committed() {
        // The width is given, or the terminal of whoever runs the test would be in the snapshot.
        let mut command = <Command as clap::CommandFactory>::command().term_width(100);
        let mut help = command.render_long_help().to_string();
        let report = command.find_subcommand_mut("report").unwrap();
        help.push_str("\n=== report\n");
        help.push_str(
            &report
                .clone()
                .term_width(100)
                .render_long_help()
                .to_string(),
        );
        insta::assert_snapshot!(help);
    }
}
