//! `get_trend`: how the last runs went, oldest first.

use rmcp::model::{CallToolResult, JsonObject, Tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shared::limits::TREND_LIMIT_MAX;
use shared::query::TrendQuery;

use super::arguments::{Limit, read};
use super::{FIRST_RUN_HINT, answer, registry, schema};
use crate::ask::{self, AskError, Filter};
use crate::client::Master;
use crate::views::budget::{Truncated, answer_bytes, keep_front};
use crate::views::trend::{self, Point};

const LIMIT_USUAL: u32 = 10;

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Arguments {
    /// Only this project.
    project: Option<String>,
    /// Number of runs, 1 to 100, default 10.
    limit: Limit,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Answer {
    /// The trend in a sentence.
    summary: String,
    /// Oldest first.
    points: Vec<Point>,
    /// What was cut.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    truncated: Vec<Truncated>,
    /// Advice.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

pub(super) fn definition() -> Tool {
    registry::reader(
        "get_trend",
        "Trend of test runs",
        "Pass rate and failures over the last runs, oldest first, with a sentence that sums it up. \
         Use it to see whether a project gets better or worse.",
        schema::input::<Arguments>(),
        schema::output::<Answer>(),
    )
}

pub(super) async fn call(
    master: &Master,
    arguments: Option<JsonObject>,
) -> Result<CallToolResult, AskError> {
    let arguments: Arguments = read(arguments)?;
    let kept = arguments.limit.keep(LIMIT_USUAL, TREND_LIMIT_MAX)?;
    let filter = Filter::new(arguments.project, None, None);
    let query = TrendQuery {
        project: filter.project.clone(),
        limit: Some(kept.limit),
        ..TrendQuery::default()
    };
    let found = master.trend(&query).await?;
    if let (true, Some(project)) = (found.is_empty(), &filter.project) {
        ask::check_project(master, project).await?;
    }
    // The newest runs matter most, so what does not fit is cut from the old end.
    let mut points: Vec<Point> = found.iter().rev().map(Point::from).collect();
    let left_out = keep_front(&mut points, answer_bytes(kept.limit, LIMIT_USUAL) - 500);
    points.reverse();
    let nothing = points.is_empty().then(|| FIRST_RUN_HINT.to_owned());
    answer::structured(&Answer {
        summary: trend::sentence(&found),
        truncated: Truncated::note("points", left_out, "filter by project")
            .into_iter()
            .collect(),
        hint: kept.remark.or(nothing),
        points,
    })
}
