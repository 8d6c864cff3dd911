//! `get_failures`: what failed in the last run.

use rmcp::model::{CallToolResult, JsonObject, Tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shared::run::Run;

use super::arguments::read;
use super::{FIRST_RUN_HINT, answer, registry, schema};
use crate::ask::{self, AskError, Filter, Found};
use crate::client::Master;
use crate::limits::{ANSWER_BYTES_MAX, FAILURES_DETAILS_MAX};
use crate::views::budget::{Truncated, json_bytes, keep_front};
use crate::views::failures::{self, Failure, Group, Note};
use crate::views::run_line::RunLine;
use crate::views::verdict;
use crate::{gather, untrusted};

/// Fewer failures than this are read one by one; more are also told in groups.
const GROUPS_FROM: usize = 8;
const PROBLEMS_BYTES_MAX: usize = 1_500;

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Arguments {
    /// Only this project.
    project: Option<String>,
    /// Only this worker.
    worker_id: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Answer {
    /// The verdict in a sentence.
    verdict: String,
    /// What is missing, what was running when the process died.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<String>,
    /// The last run.
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<RunLine>,
    /// Failing tests.
    failures: Vec<Failure>,
    /// Same words, many tests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    groups: Vec<Group>,
    /// Collection errors, crashes, warnings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<Note>,
    /// What was cut.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    truncated: Vec<Truncated>,
    /// About texts from tests.
    note: &'static str,
}

pub(super) fn definition() -> Tool {
    registry::reader(
        "get_failures",
        "Failures of the last run",
        "What failed in the last run that has ended: verdict, failing tests with message and place, groups of \
         alike failures, collection errors and crashes. Rerun one with \
         `pytest-platform-worker run -- 'NODEID'`.",
        schema::input::<Arguments>(),
        schema::output::<Answer>(),
    )
}

pub(super) async fn call(
    master: &Master,
    arguments: Option<JsonObject>,
) -> Result<CallToolResult, AskError> {
    let arguments: Arguments = read(arguments)?;
    let filter = Filter::new(arguments.project, arguments.worker_id, None);
    match ask::last_run(master, &filter).await? {
        Some(Found { run, going_on }) => {
            let details = gather::details(master, &run, FAILURES_DETAILS_MAX).await;
            let mut answer = tell(&run, &details, master.url());
            answer.details.extend(going_on);
            answer::structured(&answer)
        }
        None => answer::structured(&Answer {
            verdict: FIRST_RUN_HINT.to_owned(),
            details: Vec::new(),
            run: None,
            failures: Vec::new(),
            groups: Vec::new(),
            problems: Vec::new(),
            truncated: Vec::new(),
            note: untrusted::NOTE,
        }),
    }
}

fn tell(run: &Run, details: &gather::Details, master_url: &str) -> Answer {
    let verdict = verdict::of_run(run);
    let mut problems: Vec<Note> = run
        .problems
        .iter()
        .map(|problem| Note::from_problem(problem, 500))
        .collect();
    let problems_left = keep_front(&mut problems, PROBLEMS_BYTES_MAX);
    let groups = if run.failures.len() >= GROUPS_FROM {
        failures::groups(run, 5)
    } else {
        Vec::new()
    };
    let how = "get_report lists more for the user".to_owned();
    let mut answer = Answer {
        verdict: format!("{}: {}", verdict.word, verdict.headline),
        details: verdict.details,
        run: Some(RunLine::from(run)),
        failures: Vec::new(),
        groups,
        problems,
        truncated: Truncated::note("problems", problems_left, how)
            .into_iter()
            .collect(),
        note: untrusted::NOTE,
    };
    let room = ANSWER_BYTES_MAX.saturating_sub(json_bytes(&answer) + 1_200);
    let mut listed = failures::list(run, &details.cases);
    let id: String = url::form_urlencoded::byte_serialize(run.run_id.as_bytes()).collect();
    let all = format!("GET {master_url}/results/{id} has all; get_report shows more to the user");
    answer
        .truncated
        .extend(failures::fit(&mut listed, room, &all));
    answer.failures = listed;
    answer
}
