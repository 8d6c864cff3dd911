//! A client of the Model Context Protocol over stdio: one JSON-RPC message a line.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::process::Guarded;

/// The version of the protocol that we ask for.
const PROTOCOL_VERSION: &str = "2025-11-25";

/// A server under way, and our side of the conversation.
pub(super) struct Client {
    process: Guarded,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    last_id: u64,
    /// The version that the server agreed to.
    pub(super) protocol_version: String,
}

impl Client {
    /// Starts the server and shakes hands.
    pub(super) fn start(command: &mut Command) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Guarded::start_with(command, Signal::TERM)?;
        let input = process.child().stdin.take();
        let output = process.child().stdout.take().context("no pipe")?;
        let mut client = Self {
            process,
            input,
            output: BufReader::new(output),
            last_id: 0,
            protocol_version: String::new(),
        };
        let answer = client.request(
            "initialize",
            &json!({
                "protocolVersion": PROTOCOL_VERSION,
                "capabilities": {},
                "clientInfo": {"name": "xtask-demo", "version": env!("CARGO_PKG_VERSION")},
            }),
        )?;
        if let Some(version) = answer["protocolVersion"].as_str() {
            version.clone_into(&mut client.protocol_version);
        }
        client.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))?;
        Ok(client)
    }

    /// Names of the tools that the server offers.
    pub(super) fn tools(&mut self) -> Result<Vec<String>> {
        let answer = self.request("tools/list", &json!({}))?;
        let tools = answer["tools"].as_array().context("no list of tools")?;
        let names = tools.iter().filter_map(|tool| tool["name"].as_str());
        Ok(names.map(str::to_owned).collect())
    }

    /// Calls a tool; a tool that reports an error is an error here.
    pub(super) fn call(&mut self, tool: &str, arguments: &Value) -> Result<Value> {
        let answer = self.request("tools/call", &json!({"name": tool, "arguments": arguments}))?;
        if answer["isError"] == Value::Bool(true) {
            bail!("{tool} answered with an error: {}", answer["content"]);
        }
        Ok(answer)
    }

    /// Says goodbye by closing the server's input, and waits until it is gone.
    pub(super) fn end(mut self) -> Result<()> {
        self.input = None;
        self.process.end()?;
        Ok(())
    }

    fn request(&mut self, method: &str, params: &Value) -> Result<Value> {
        self.last_id += 1;
        let id = self.last_id;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))?;
        let mut line = String::new();
        loop {
            line.clear();
            if self.output.read_line(&mut line)? == 0 {
                bail!("the MCP server closed its output while it was asked for {method}");
            }
            let message: Value = serde_json::from_str(&line)
                .with_context(|| format!("the MCP server wrote no JSON: {line}"))?;
            // Notifications and requests of the server may come in between.
            if message["id"] != json!(id) || message.get("method").is_some() {
                continue;
            }
            if let Some(error) = message.get("error") {
                bail!("{method} was answered with {error}");
            }
            return Ok(message["result"].clone());
        }
    }

    fn send(&mut self, message: &Value) -> Result<()> {
        let input = self.input.as_mut().context("the conversation is over")?;
        writeln!(input, "{message}").context("cannot write to the MCP server")
    }
}
