//! `get_report`: a short answer for the model and an HTML report for the user.

use rmcp::model::{
    Annotations, CallToolResult, ContentBlock, EmbeddedResource, JsonObject, ResourceContents,
    Role, TextContent, Tool,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::arguments::read;
use super::{answer, registry, schema};
use crate::ask::{self, AskError, Filter};
use crate::client::Master;
use crate::limits::{ANSWER_BYTES_MAX, REPORT_BYTES_MAX, REPORT_DETAILS_MAX};
use crate::views::report_summary::{self, ReportLink, ReportSummary};
use crate::views::trend;
use crate::{gather, page, server};

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Arguments {
    /// Only this project.
    project: Option<String>,
    /// Only this worker.
    worker_id: Option<String>,
    /// Only this branch.
    branch: Option<String>,
    /// This run, whatever the filters; default the newest that has ended.
    run_id: Option<String>,
}

pub(super) fn definition() -> Tool {
    registry::reader(
        "get_report",
        "Test report",
        "A report on the newest run that matches and has ended, or on run_id, which may still be running. You get the verdict, counts and \
         first failures; the user gets an HTML page with tracebacks, trend, frequent failures, \
         workers and slowest tests as an attached resource, so do not repeat it in full.",
        schema::input::<Arguments>(),
        schema::output::<ReportSummary>(),
    )
}

pub(super) async fn call(
    master: &Master,
    arguments: Option<JsonObject>,
) -> Result<CallToolResult, AskError> {
    let arguments: Arguments = read(arguments)?;
    let filter = Filter::new(arguments.project, arguments.worker_id, arguments.branch);
    let found = ask::wanted_run(master, arguments.run_id.as_deref(), &filter).await?;
    let (run, going_on) = found.map(|found| (found.run, found.going_on)).unzip();
    let going_on = going_on.flatten();
    let mut data = gather::report(master, run, REPORT_DETAILS_MAX).await;
    data.remarks.extend(going_on.clone());
    let html = page::render(&data, REPORT_BYTES_MAX);
    let uri = server::report_uri(data.run.as_ref().map_or("none", |run| &run.run_id));
    let link = ReportLink {
        uri: uri.clone(),
        bytes: html.len() as u64,
    };
    let mut summary = match &data.run {
        Some(run) => {
            let sentence = trend::sentence(&data.trend);
            report_summary::of_run(run, sentence, link, ANSWER_BYTES_MAX - 3_900)
        }
        None => report_summary::of_nothing(link),
    };
    summary.details.extend(going_on);
    let text = TextContent::new(report_summary::text(&summary));
    let resource = ResourceContents::text(html, uri).with_mime_type("text/html");
    let for_user = Annotations::default().with_audience(vec![Role::User]);
    let page = EmbeddedResource::new(resource).with_annotations(for_user);
    answer::with_content(
        &summary,
        vec![ContentBlock::Text(text), ContentBlock::Resource(page)],
    )
}
