//! `get_workers`: who reports, and how their runs go.

use rmcp::model::{CallToolResult, JsonObject, Tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::arguments::read;
use super::{FIRST_RUN_HINT, answer, registry, schema};
use crate::ask::AskError;
use crate::client::Master;
use crate::limits::ANSWER_BYTES_MAX;
use crate::views::budget::{Truncated, keep_front};
use crate::views::stats::Worker;

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Arguments {}

#[derive(Debug, Serialize, JsonSchema)]
struct Answer {
    /// Last seen first.
    workers: Vec<Worker>,
    /// What was cut.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    truncated: Vec<Truncated>,
    /// Advice.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

pub(super) fn definition() -> Tool {
    registry::reader(
        "get_workers",
        "Test workers",
        "All workers (machines or CI jobs that report runs), last seen first, with run count and \
         average pass rate. Compare them to find an environment that fails more.",
        schema::input::<Arguments>(),
        schema::output::<Answer>(),
    )
}

pub(super) async fn call(
    master: &Master,
    arguments: Option<JsonObject>,
) -> Result<CallToolResult, AskError> {
    let Arguments {} = read(arguments)?;
    let found = master.workers().await?;
    let mut workers: Vec<Worker> = found.iter().map(Worker::from).collect();
    let left_out = keep_front(&mut workers, ANSWER_BYTES_MAX - 400);
    let how = format!("GET {}/workers lists all", master.url());
    answer::structured(&Answer {
        truncated: Truncated::note("workers", left_out, how)
            .into_iter()
            .collect(),
        hint: workers.is_empty().then(|| FIRST_RUN_HINT.to_owned()),
        workers,
    })
}
