//! The list of tools and the way from a name to its tool.

use std::sync::Arc;

use rmcp::model::{CallToolResult, JsonObject, Tool, ToolAnnotations};

use super::{
    answer, get_failure_stats, get_failures, get_report, get_summary, get_trend, get_workers,
};
use crate::client::Master;

/// Every tool, as `tools/list` answers it.
pub fn list() -> Vec<Tool> {
    vec![
        get_report::definition(),
        get_summary::definition(),
        get_trend::definition(),
        get_failures::definition(),
        get_workers::definition(),
        get_failure_stats::definition(),
    ]
}

/// Calls a tool. `None` when there is no such tool; whatever else goes wrong is a result that the
/// model can read.
pub async fn call(
    master: &Master,
    name: &str,
    arguments: Option<JsonObject>,
) -> Option<CallToolResult> {
    let result = match name {
        "get_report" => get_report::call(master, arguments).await,
        "get_summary" => get_summary::call(master, arguments).await,
        "get_trend" => get_trend::call(master, arguments).await,
        "get_failures" => get_failures::call(master, arguments).await,
        "get_workers" => get_workers::call(master, arguments).await,
        "get_failure_stats" => get_failure_stats::call(master, arguments).await,
        _ => return None,
    };
    Some(result.unwrap_or_else(|error| {
        tracing::info!(tool = name, %error, "a tool had no answer");
        answer::failed(name, &error)
    }))
}

/// A tool that only reads, and only from this master.
pub(super) fn reader(
    name: &'static str,
    title: &str,
    description: &'static str,
    input: Arc<JsonObject>,
    output: Arc<JsonObject>,
) -> Tool {
    let annotations = ToolAnnotations::with_title(title)
        .read_only(true)
        .idempotent(true)
        .open_world(false);
    Tool::new(name, description, input)
        .with_raw_output_schema(output)
        .with_annotations(annotations)
}
