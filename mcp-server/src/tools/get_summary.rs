//! `get_summary`: the last runs in short.

use rmcp::model::{CallToolResult, JsonObject, Tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shared::limits::RESULTS_LIMIT_MAX;

use super::arguments::{Limit, read};
use super::{FIRST_RUN_HINT, answer, registry, schema};
use crate::ask::{self, AskError, Filter};
use crate::client::Master;
use crate::views::budget::{Truncated, answer_bytes, keep_front};
use crate::views::run_line::RunLine;

const LIMIT_USUAL: u32 = 10;

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Arguments {
    /// Only this project.
    project: Option<String>,
    /// Only this worker.
    worker_id: Option<String>,
    /// Number of runs, 1 to 500, default 10.
    limit: Limit,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Answer {
    /// Newest first.
    runs: Vec<RunLine>,
    /// What was cut.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    truncated: Vec<Truncated>,
    /// Advice.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

pub(super) fn definition() -> Tool {
    registry::reader(
        "get_summary",
        "Last test runs",
        "The last test runs, newest first: id, status, counts, pass rate, project, branch, commit, \
         worker. Start here to find a run_id. A run with complete=false misses results and is \
         never green; status running means that it goes on.",
        schema::input::<Arguments>(),
        schema::output::<Answer>(),
    )
}

pub(super) async fn call(
    master: &Master,
    arguments: Option<JsonObject>,
) -> Result<CallToolResult, AskError> {
    let arguments: Arguments = read(arguments)?;
    let kept = arguments.limit.keep(LIMIT_USUAL, RESULTS_LIMIT_MAX)?;
    let filter = Filter::new(arguments.project, arguments.worker_id, None);
    let found = ask::runs(master, &filter, kept.limit).await?;
    let mut runs: Vec<RunLine> = found.iter().map(RunLine::from).collect();
    let left_out = keep_front(&mut runs, answer_bytes(kept.limit, LIMIT_USUAL) - 400);
    let how = "filter by project or worker_id";
    let nothing = runs.is_empty().then(|| FIRST_RUN_HINT.to_owned());
    answer::structured(&Answer {
        truncated: Truncated::note("runs", left_out, how).into_iter().collect(),
        hint: kept.remark.or(nothing),
        runs,
    })
}
