//! What `get_report` tells the model beside the HTML that is for the user.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;
use shared::run::Run;

use super::budget::Truncated;
use super::failures::{self, Failure};
use super::run_line::RunLine;
use super::verdict;
use crate::untrusted;

/// Failing tests named to the model; the HTML has more.
const FAILURES_NAMED: usize = 20;

/// Where the HTML is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ReportLink {
    /// A resource that can be read again.
    pub uri: String,
    /// Size.
    pub bytes: u64,
}

/// The short form of a report.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ReportSummary {
    /// The verdict in a sentence.
    pub verdict: String,
    /// What else to know at once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// The run, absent when nothing was reported yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<RunLine>,
    /// The first failing tests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failure>,
    /// How the last runs went.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub trend: String,
    /// The HTML.
    pub report: ReportLink,
    /// What was cut.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub truncated: Vec<Truncated>,
    /// About texts from tests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Tells a run in short.
pub fn of_run(run: &Run, trend: String, report: ReportLink, bytes_max: usize) -> ReportSummary {
    let verdict = verdict::of_run(run);
    let mut named = failures::list(run, &std::collections::BTreeMap::new());
    let beyond = named.len().saturating_sub(FAILURES_NAMED);
    named.truncate(FAILURES_NAMED);
    for failure in &mut named {
        failure.message = untrusted::line(&failure.message, 200);
    }
    let how = "call get_failures; the user's HTML report lists more";
    let cut = failures::fit(&mut named, bytes_max, how).map_or(0, |note| note.left_out as usize);
    ReportSummary {
        verdict: format!("{}: {}", verdict.word, verdict.headline),
        details: verdict.details,
        run: Some(RunLine::from(run)),
        failures: named,
        trend,
        report,
        truncated: Truncated::note("failures", beyond + cut, how)
            .into_iter()
            .collect(),
        note: Some(untrusted::NOTE.to_owned()),
    }
}

/// Says that there is nothing to report yet.
pub fn of_nothing(report: ReportLink) -> ReportSummary {
    ReportSummary {
        verdict: "No run has been reported yet".to_owned(),
        details: vec![super::super::tools::FIRST_RUN_HINT.to_owned()],
        run: None,
        failures: Vec::new(),
        trend: String::new(),
        report,
        truncated: Vec::new(),
        note: None,
    }
}

/// The same in a few lines of text.
pub fn text(summary: &ReportSummary) -> String {
    let mut text = format!("{}.\n", summary.verdict);
    for detail in &summary.details {
        let _ = writeln!(text, "{detail}.");
    }
    if let Some(run) = &summary.run {
        let _ = writeln!(
            text,
            "Run {} of project `{}`, branch `{}`, worker `{}`, {}: {} passed, {} failed, {} errors, {} skipped of {}.",
            run.run_id,
            run.project,
            run.branch,
            run.worker_id,
            run.timestamp,
            run.passed,
            run.failed,
            run.error,
            run.skipped,
            run.total
        );
    }
    if !summary.trend.is_empty() {
        let _ = writeln!(text, "{}.", summary.trend);
    }
    for failure in summary.failures.iter().take(5) {
        let _ = writeln!(text, "- {}: {}", failure.nodeid, failure.message);
    }
    let left = summary.failures.len().saturating_sub(5) as u64
        + summary
            .truncated
            .iter()
            .map(|cut| cut.left_out)
            .sum::<u64>();
    if left > 0 {
        let _ = writeln!(text, "- and {left} more; get_failures has them.");
    }
    if let Some(note) = &summary.note {
        let _ = writeln!(text, "({note})");
    }
    let _ = write!(
        text,
        "The full HTML report for the user is attached ({}).",
        summary.report.uri
    );
    text
}
