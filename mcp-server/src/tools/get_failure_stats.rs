//! `get_failure_stats`: which tests fail most often.

use rmcp::model::{CallToolResult, JsonObject, Tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shared::limits::FAILURE_STATS_LIMIT_MAX;
use shared::query::FailureStatsQuery;

use super::arguments::{Limit, read};
use super::{answer, registry, schema};
use crate::ask::{self, AskError, Filter};
use crate::client::Master;
use crate::untrusted;
use crate::views::budget::{Truncated, answer_bytes, keep_front};
use crate::views::stats::FailureCount;

const LIMIT_USUAL: u32 = 50;

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Arguments {
    /// Only this project.
    project: Option<String>,
    /// Number of tests, 1 to 500, default 50.
    limit: Limit,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Answer {
    /// Most failures first.
    tests: Vec<FailureCount>,
    /// What was cut.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    truncated: Vec<Truncated>,
    /// Advice.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// About texts from tests.
    note: &'static str,
}

pub(super) fn definition() -> Tool {
    registry::reader(
        "get_failure_stats",
        "Most frequent failures",
        "Tests that failed in the most runs of all time, most failures first. Use it to find flaky \
         or long-broken tests.",
        schema::input::<Arguments>(),
        schema::output::<Answer>(),
    )
}

pub(super) async fn call(
    master: &Master,
    arguments: Option<JsonObject>,
) -> Result<CallToolResult, AskError> {
    let arguments: Arguments = read(arguments)?;
    let kept = arguments.limit.keep(LIMIT_USUAL, FAILURE_STATS_LIMIT_MAX)?;
    let filter = Filter::new(arguments.project, None, None);
    let query = FailureStatsQuery {
        project: filter.project.clone(),
        limit: Some(kept.limit),
    };
    let found = master.failure_stats(&query).await?;
    if let (true, Some(project)) = (found.is_empty(), &filter.project) {
        ask::check_project(master, project).await?;
    }
    let mut tests: Vec<FailureCount> = found.iter().map(FailureCount::from).collect();
    let left_out = keep_front(&mut tests, answer_bytes(kept.limit, LIMIT_USUAL) - 500);
    let nothing = tests
        .is_empty()
        .then(|| "no test has failed so far".to_owned());
    answer::structured(&Answer {
        truncated: Truncated::note("tests", left_out, "ask with a larger limit or one project")
            .into_iter()
            .collect(),
        hint: kept.remark.or(nothing),
        tests,
        note: untrusted::NOTE,
    })
}
