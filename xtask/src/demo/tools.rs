//! The six tools, asked through the real MCP server.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::Stage;
use super::mcp_client::Client;
use crate::console::{self, Step};
use crate::places::{self, Profile};

/// The tools of the contract, in the order in which a person would ask.
const TOOLS: [&str; 6] = [
    "get_summary",
    "get_failures",
    "get_trend",
    "get_failure_stats",
    "get_workers",
    "get_report",
];

/// Asks every tool once about the sample project.
pub(super) fn ask(stage: &Stage) -> Result<()> {
    let step = Step::start("AI tools");
    let log = std::fs::File::create(stage.folder.join("mcp.log"))?;
    let mut command = Command::new(places::mcp_server(Profile::Dev));
    command
        .env("MASTER_URL", &stage.master_url)
        .stderr(Stdio::from(log));
    let mut client = Client::start(&mut command)?;
    let offered = client.tools()?;
    for tool in TOOLS {
        if !offered.iter().any(|name| name == tool) {
            bail!(
                "the MCP server offers no {tool}, only {}",
                offered.join(", ")
            );
        }
    }
    let mut lines = Vec::new();
    for tool in TOOLS {
        let arguments = match tool {
            "get_workers" => json!({}),
            _ => json!({"project": "shop"}),
        };
        let asked = Instant::now();
        let answer = client.call(tool, &arguments)?;
        lines.push(format!(
            "{tool:<19}{:>9} in {:<8} {}",
            size(answer.to_string().len()),
            console::seconds(asked.elapsed()),
            gist(&answer),
        ));
    }
    let version = client.protocol_version.clone();
    client.end()?;
    step.done(format!("{} tools over stdio, MCP {version}", offered.len()));
    lines.iter().for_each(console::detail);
    Ok(())
}

fn size(bytes: usize) -> String {
    format!("{:.1} KiB", bytes as f64 / 1024.0)
}

/// What the answer holds: how many of what, or else the beginning of what a model reads.
fn gist(answer: &Value) -> String {
    const LENGTH: usize = 60;
    let lists = answer["structuredContent"]
        .as_object()
        .into_iter()
        .flatten();
    let mut counted = lists.filter_map(|(key, value)| Some((key, value.as_array()?.len())));
    let text = answer["content"][0]["text"].as_str().unwrap_or_default();
    if text.starts_with('{')
        && let Some((key, length)) = counted.next()
    {
        return format!("{length} {}", key.replace('_', " "));
    }
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= LENGTH {
        return line;
    }
    let cut: String = line.chars().take(LENGTH - 1).collect();
    format!("{cut}…")
}
